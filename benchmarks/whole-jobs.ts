// Whole jobs per second, from the POST to the answer with the stored image, at an upstream that takes no time; against
// BullMQ adding and working off items that do nothing. Says which process the CPU time of a job went to.
import type { Stack } from '@darkroom/dev/stack.ts';
import { Queue } from 'bullmq';
import { withStack } from './support/bench-stack.ts';
import { CONNECTIONS, hammer } from './support/hammer.ts';
import { jobBody } from './support/job.ts';
import { startFastSimulator, startProcess } from './support/processes.ts';
import { perSecond, type Row, ratio } from './support/row.ts';
import { cpuMs } from './support/usage.ts';

const SECONDS = 6;
/** The fewest pixels the model makes. */
const SIZE = '1024x640';
const BARE_ITEMS = 20_000;

export async function measureWholeJobs(): Promise<Row[]> {
  const simulator = await startFastSimulator();
  try {
    const env = { WORKER_CONCURRENCY: String(CONNECTIONS) };
    return await withStack({ env, upstreamUrl: simulator.url }, async (stack) => {
      const pids = new Map([...pidsOf(stack), ['simulator', simulator.child.pid]]);
      const before = new Map([...pids].map(([name, pid]) => [name, cpuMs(pid)]));
      const ours = await hammer(`${stack.apiUrl}/v1/jobs`, jobBody(SIZE), 200, SECONDS, { prefer: 'wait=60' });
      // The second of warming up is in the CPU times too; it is counted at the same rate.
      const jobs = ours.total * ((SECONDS + 1) / SECONDS);
      const costs = [...pids].map(([name, pid]) => {
        const perJob = (cpuMs(pid) - (before.get(name) ?? 0)) / jobs;
        return { what: `  CPU of one job in: ${name}`, measured: `${perJob.toFixed(2)} ms`, ceiling: '', ratio: '' };
      });
      const ceiling = await measureBareQueue(stack.redisUrl);
      return [
        {
          what: `whole jobs, ${CONNECTIONS} at a time (ceiling: BullMQ add + empty worker)`,
          measured: perSecond(ours.perSecond),
          ceiling: perSecond(ceiling),
          ratio: ratio(ours.perSecond, ceiling),
        },
        ...costs,
      ];
    });
  } finally {
    await simulator.child.stop();
  }
}

function pidsOf(stack: Stack): [string, number][] {
  const redis = stack.redis?.child;
  return [
    ['api', stack.api.pid],
    ...stack.workers.map((worker): [string, number] => ['worker', worker.pid]),
    ...(redis === undefined ? [] : [['redis', redis.pid] as [string, number]]),
  ];
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
