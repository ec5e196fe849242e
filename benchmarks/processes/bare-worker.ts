// The ceiling of working off: a BullMQ worker that does nothing.
//   node bare-worker.ts <redis url> <queue> <concurrency>
import { Worker } from 'bullmq';

const [redisUrl = '', queue = '', concurrency = '1'] = process.argv.slice(2);
const worker = new Worker(queue, async () => null, { connection: { url: redisUrl }, concurrency: Number(concurrency) });
await worker.waitUntilReady();
console.log(`listening on ${queue}`);
