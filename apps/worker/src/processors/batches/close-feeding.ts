// When every job of the batch has ended and nothing more is to be fed, the batch goes on to its output.
import { readLines } from '@darkroom/shared/batches/lines.ts';
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import { moveBatch } from '@darkroom/shared/batches/steps.ts';
import type { Deps } from '../../deps.ts';

/** True when the batch moved to `finalizing`. */
export async function closeFeeding(deps: Deps, record: BatchRecord): Promise<boolean> {
  if ((await deps.redis.scard(deps.keys.batchOpenJobs(record.id))) > 0) return false;
  const isOver = Date.now() >= record.expiresAt;
  const isFed = record.status === 'cancelling' || (await isAtEnd(deps, record));
  if (!isFed && !isOver) return false;
  const hasExpired = isOver && (!isFed || record.expired > 0);
  const ending = record.status === 'cancelling' ? 'cancelled' : hasExpired ? 'expired' : 'completed';
  return moveBatch(deps.batchSteps, record, record.status, 'finalizing', { ending });
}

async function isAtEnd(deps: Deps, { spec, cursor }: BatchRecord): Promise<boolean> {
  for await (const _ of readLines(deps.store, spec.inputKey, cursor)) return false;
  return true;
}
