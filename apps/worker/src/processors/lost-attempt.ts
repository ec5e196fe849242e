// An attempt whose worker is gone is shown as what it is, and not only when its call is about to be sent again: a permit may be
// long in coming, and a call that is over or must not be repeated needs none.
import { itemIdOf } from '@darkroom/shared/base/ids.ts';
import { type ClosedLost, closeLost } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { itemLockKey } from '@darkroom/shared/queues/call-queue.ts';
import type { Deps } from '../deps.ts';
import { recoverStored } from './recover-stored.ts';
import type { CallWork } from './run-call.ts';

/** Nobody holds the call's item. */
export const NOBODY = '';

/**
 * Records what attempts of the call have stored, and closes the one that is open, also when the call has ended by an older one's
 * images. What they may have spooled is to be looked for before. Whether the call has ended.
 */
export async function endLost(deps: Deps, work: CallWork, token: string): Promise<boolean> {
  const { record, call } = work;
  const isWhole = await recoverStored(deps, work);
  const closed = record.calls[call]?.open === 0 ? null : await closeOpen(deps, record, call, token);
  return isWhole || (closed !== null && closed.callOutcome !== '');
}

/** Also beside a frozen worker's late answer, which has ended the call or waits in a spool. null = there was none to close. */
export async function closeOpen(
  deps: Deps,
  { id: jobId, run, spec }: JobRecord,
  call: number,
  token: string,
): Promise<ClosedLost | null> {
  const lockKey = itemLockKey(deps.keys, spec.lane, itemIdOf(jobId, call, run));
  const onUnknown = spec.onUnknown ?? deps.config.ON_UNKNOWN;
  const closed = await closeLost(deps.steps, { jobId, call, run, lockKey, lockToken: token, onUnknown });
  if (closed === null) return null;
  deps.log.warn({ jobId, call, callOutcome: closed.callOutcome }, 'an attempt whose worker is gone was closed');
  if (closed.jobEnded !== null) deps.metrics.jobsEnded.inc({ status: closed.jobEnded });
  return closed;
}
