// Memory of one worker that has 50 calls under way whose replies of 4 MB each come at the same moment.
import { withStack } from './support/bench-stack.ts';
import { runJob } from './support/job.ts';
import { startProcess } from './support/processes.ts';
import { megabytes, type Row, ratio } from './support/row.ts';
import { memory } from './support/usage.ts';

const CALLS = 50;
const ROUNDS = 3;
/** One lane may hold nine tenths of a worker's places. */
const PLACES = Math.ceil(CALLS / 0.9);
/** 1,152² pixels of noise at 3 bytes. */
const SIDE = 1_152;
const IMAGE_BYTES = SIDE * SIDE * 3;

export async function measureWorkerMemory(): Promise<Row[]> {
  const upstream = await startProcess('upstream', ['--side', String(SIDE), '--together', String(CALLS)]);
  try {
    const env = { WORKER_CONCURRENCY: String(PLACES) };
    return await withStack({ env, upstreamUrl: upstream.url }, async (stack) => {
      const pid = stack.workers[0]?.pid ?? 0;
      const idle = memory(pid).nowBytes;
      for (let round = 0; round < ROUNDS; round += 1) {
        await Promise.all(Array.from({ length: CALLS }, () => runJob(stack.apiUrl, `${SIDE}x${SIDE}`)));
      }
      const { peakBytes } = memory(pid);
      const images = CALLS * IMAGE_BYTES;
      return [
        {
          what: `worker memory at its peak, ${CALLS} replies of ${megabytes(IMAGE_BYTES)} at once (against the images' own bytes)`,
          measured: megabytes(peakBytes),
          ceiling: megabytes(images),
          ratio: ratio(peakBytes, images),
        },
        { what: '  worker memory before the first call', measured: megabytes(idle), ceiling: '', ratio: '' },
      ];
    });
  } finally {
    await upstream.child.stop();
  }
}
