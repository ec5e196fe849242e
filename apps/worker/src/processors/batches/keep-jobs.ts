// How long the jobs of an ended batch are kept.
import { batchJobIdOf } from '@darkroom/shared/base/ids.ts';
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import type { Deps } from '../../deps.ts';

const LINES_A_CHUNK = 100;

/** As long as the batch itself, counted from its end. */
export async function keepJobsWithBatch({ redis, keys, batchSteps }: Deps, record: BatchRecord): Promise<void> {
  if (!Number.isFinite(batchSteps.retentionMs)) return;
  for (let line = 1; line <= record.reachedLine; line += LINES_A_CHUNK) {
    const pipeline = redis.pipeline();
    for (let one = line; one < line + LINES_A_CHUNK; one += 1)
      pipeline.pexpire(keys.job(batchJobIdOf(record.id, one)), batchSteps.retentionMs);
    await pipeline.exec();
  }
}
