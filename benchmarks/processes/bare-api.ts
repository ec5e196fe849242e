// The ceiling of accepting: a bare Fastify route that does one BullMQ add. No checks, no record, no durability of its own.
//   node bare-api.ts <redis url>
import { Queue } from 'bullmq';
import { fastify } from 'fastify';

const [redisUrl = ''] = process.argv.slice(2);
const queue = new Queue('bare', { connection: { url: redisUrl } });
const app = fastify();
app.post('/v1/jobs', async (request, reply) => {
  const job = await queue.add('call', request.body, { removeOnComplete: true, removeOnFail: true });
  return reply.code(202).send({ id: job.id });
});
console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
