// What Darkroom adds to the time of one image: POST to answer, less what the upstream took; one job at a time, on processes
// that have been at work for some seconds. Against one BullMQ item from add to the event of its completion. Beside it what
// the same upstream adds to its own time when it is asked directly, because it has 1 MB to send.
import { Queue, QueueEvents } from 'bullmq';
import { withStack } from './support/bench-stack.ts';
import { warmUp } from './support/hammer.ts';
import { jobBody, runJob } from './support/job.ts';
import { startProcess } from './support/processes.ts';
import { ms, percentile, type Row, ratio } from './support/row.ts';

const UPSTREAM_MS = 50;
const JOBS = 100;
const WARM_UP = 10;
/** A picture of 0.8 MB: what a low-quality image weighs. */
const SIDE = 512;

export async function measureLatency(): Promise<Row[]> {
  const upstream = await startProcess('upstream', ['--side', String(SIDE), '--delay-ms', String(UPSTREAM_MS)]);
  try {
    return await withStack({ upstreamUrl: upstream.url }, async (stack) => {
      await warmUp({ url: `${stack.apiUrl}/v1/jobs`, body: jobBody('1024x1024'), headers: { prefer: 'wait=60' } });
      const direct = await timeEach(JOBS, () => askUpstream(upstream.url));
      const ours = await timeEach(JOBS, () => runJob(stack.apiUrl, '1024x1024'));
      const added = ours.map((time) => time - UPSTREAM_MS);
      const bare = await measureBareItem(stack.redisUrl);
      return [0.5, 0.99].flatMap((share) => {
        const [measured, ceiling] = [percentile(added, share), percentile(bare, share)];
        return [
          {
            what: `added to an upstream time of ${UPSTREAM_MS} ms, p${share * 100} (ceiling: BullMQ add → completed)`,
            measured: ms(measured),
            ceiling: ms(ceiling),
            ratio: ratio(measured, ceiling),
          },
          {
            what: `  of which the upstream, asked directly, p${share * 100}`,
            measured: ms(percentile(direct, share) - UPSTREAM_MS),
            ceiling: '',
            ratio: '',
          },
        ];
      });
    });
  } finally {
    await upstream.child.stop();
  }
}

async function askUpstream(url: string): Promise<void> {
  const reply = await fetch(`${url}/v1/images/generations`, { method: 'POST', body: '{}' });
  await reply.arrayBuffer();
}

async function measureBareItem(redisUrl: string): Promise<number[]> {
  const name = 'bare-latency';
  const worker = await startProcess('bare-worker', [redisUrl, name, '1']);
  const connection = { url: redisUrl };
  const queue = new Queue(name, { connection });
  const events = new QueueEvents(name, { connection });
  await events.waitUntilReady();
  const times = await timeEach(JOBS, async () => {
    const job = await queue.add('call', {});
    await job.waitUntilFinished(events);
  });
  await events.close();
  await queue.close();
  await worker.child.stop();
  return times;
}

/** ms of each run, after some that don't count. */
async function timeEach(count: number, run: () => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let index = -WARM_UP; index < count; index += 1) {
    const startedAt = performance.now();
    await run();
    if (index >= 0) times.push(performance.now() - startedAt);
  }
  return times;
}
