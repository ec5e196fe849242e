// `cancelling`: jobs of the batch that have not been sent are withheld; what is under way finishes and is kept.
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import { withholdCalls } from '@darkroom/shared/jobs/steps.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { openItemsOf } from '@darkroom/shared/jobs/submit.ts';
import type { Deps } from '../../deps.ts';

export async function cancelOpenJobs(deps: Deps, record: BatchRecord): Promise<void> {
  const { redis, keys, steps, queues } = deps;
  for (const id of await redis.smembers(keys.batchOpenJobs(record.id))) {
    const job = await readJob(redis, keys, id);
    if (job === null) await redis.srem(keys.batchOpenJobs(record.id), id);
    if (job === null || job.cancelAt !== null) continue;
    const items = openItemsOf(job);
    await withholdCalls(steps, id, job.spec.calls.length, 'cancelled');
    await queues.remove(job.spec.lane, items);
  }
}
