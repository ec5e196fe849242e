// After a crash: an earlier attempt of the call may have left its answer in this host's spool, or stored images nobody
// recorded. They are found and recorded, so that only what is missing is bought again.

import { finishAttempt } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { AttemptRow } from '@darkroom/shared/jobs/record.ts';
import { actualMicroUsd } from '@darkroom/shared/models/price.ts';
import type { Deps } from '../deps.ts';
import { drainLocal } from './drain-spool.ts';
import { findImage } from './look-in-storage.ts';
import type { CallWork } from './run-call.ts';

/** `away`: there is an answer, but the storage does not take it now; it is noted, so the call is not made again. */
export async function recoverSpooled(deps: Deps, { record, call }: CallWork): Promise<'nothing' | 'found' | 'away'> {
  let found: 'nothing' | 'found' = 'nothing';
  for (const { seq } of record.attempts.filter((row) => row.call === call)) {
    const id = { jobId: record.id, call, seq };
    if (!(await deps.spool.has(id))) continue;
    const end = await drainLocal(deps, id);
    if (end === 'away' || end === 'refused') return 'away';
    found = 'found';
  }
  return found;
}

/** Records what is found; true when that gave the call its outcome. Looks only if an earlier attempt may have stored something. */
export async function recoverStored(deps: Deps, work: CallWork): Promise<boolean> {
  const attempt = work.record.attempts.findLast((row) => row.call === work.call && mayHaveStored(row));
  if (attempt === undefined) return false;
  const looks = work.missing.map((index) => findImage(deps, work.record, index, attempt));
  const found = (await Promise.all(looks)).filter((row) => row !== null);
  if (found.length === 0) return false;
  const { record, call } = work;
  const isWhole = found.length === work.missing.length;
  const finished = await finishAttempt(deps.steps, {
    jobId: record.id,
    call,
    // With images missing the attempt's outcome stays unknown; the paying gate closes it.
    seq: isWhole ? attempt.seq : 0,
    outcome: 'succeeded',
    facts:
      attempt.answeredAt === undefined
        ? { costMicroUsd: actualMicroUsd(record.spec.model, record.spec.body, found.length, null) }
        : {},
    count: '',
    isFinal: false,
    error: null,
    images: found,
    callImages: record.spec.calls[call] ?? [],
  });
  deps.log.info(
    { jobId: record.id, call, attempt: attempt.seq, images: found.length, jobEnded: finished.jobEnded },
    'stored images recovered',
  );
  return finished.callOutcome !== '';
}

/** One whose end its own worker saw has stored nothing unless it succeeded; what lies there is of another attempt. */
function mayHaveStored({ outcome, endedAt }: AttemptRow): boolean {
  return outcome === null || outcome === 'succeeded' || (outcome === 'unknown' && endedAt === undefined);
}
