// Whole jobs per second, from the POST to the answer with the stored image, at an upstream that takes no time; against
// BullMQ adding and working off items that do nothing. With a small image, which is what a job costs by itself, and with
// one of the size of a low-quality picture. Says where the time of a job went.
import { Queue } from 'bullmq';
import { withStack } from './support/bench-stack.ts';
import { countCommands, cpuOf, processesOf, toCpuRows } from './support/breakdown.ts';
import { CONNECTIONS, hammer, warmUp } from './support/hammer.ts';
import { jobBody, runJob } from './support/job.ts';
import { startProcess } from './support/processes.ts';
import { perSecond, type Row, ratio } from './support/row.ts';

const SECONDS = 6;
/** The fewest pixels the model makes. */
const SIZE = '1024x640';
/** Sides of the pictures the upstream sends: 12 KB and 313 KB. */
const SIDES = [64, 323];
const BARE_ITEMS = 20_000;

export async function measureWholeJobs(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const side of SIDES) rows.push(...(await measureWith(side)));
  return rows;
}

async function measureWith(side: number): Promise<Row[]> {
  const upstream = await startProcess('upstream', ['--side', String(side)]);
  try {
    const env = { WORKER_CONCURRENCY: String(CONNECTIONS) };
    return await withStack({ env, upstreamUrl: upstream.url }, async (stack) => {
      const target = { url: `${stack.apiUrl}/v1/jobs`, body: jobBody(SIZE), headers: { prefer: 'wait=60' } };
      await warmUp(target);
      const processes = [...processesOf(stack), ['upstream', upstream.child.pid] as const];
      const before = cpuOf(processes);
      const ours = await hammer(target, 200, SECONDS);
      const costs = toCpuRows(processes, before, ours.total);
      const commands = await countCommands(stack.redisUrl, () => runJob(stack.apiUrl, SIZE));
      const ceiling = await measureBareQueue(stack.redisUrl);
      const kilobytes = Math.round((side * side * 3) / 1_000);
      return [
        {
          what: `whole jobs, ${CONNECTIONS} at a time, images of ${kilobytes} KB (ceiling: BullMQ add + empty worker)`,
          measured: perSecond(ours.perSecond),
          ceiling: perSecond(ceiling),
          ratio: ratio(ours.perSecond, ceiling),
        },
        ...costs,
        commands,
      ];
    });
  } finally {
    await upstream.child.stop();
  }
}

/** Items per second through a queue: added by this process, worked off by another at the same time. */
async function measureBareQueue(redisUrl: string): Promise<number> {
  const name = 'bare';
  const worker = await startProcess('bare-worker', [redisUrl, name, String(CONNECTIONS)]);
  const queue = new Queue(name, { connection: { url: redisUrl } });
  await queue.waitUntilReady();
  const startedAt = performance.now();
  let added = 0;
  const add = async (): Promise<void> => {
    for (; added < BARE_ITEMS; added += 1) await queue.add('call', jobBody(SIZE), { removeOnComplete: true });
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, add));
  while ((await queue.getJobCountByTypes('waiting', 'active', 'prioritized')) > 0) await queue.getWaitingCount();
  const seconds = (performance.now() - startedAt) / 1_000;
  await queue.close();
  await worker.child.stop();
  return added / seconds;
}
