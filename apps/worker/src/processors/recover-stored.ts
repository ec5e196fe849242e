// After a crash: an earlier attempt of the call may have left its answer in this host's spool, or stored images nobody
// recorded. They are found and recorded, so that only what is missing is bought again.

import { finishAttempt } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { AttemptRow, ImageRow, JobRecord } from '@darkroom/shared/jobs/record.ts';
import { actualMicroUsd } from '@darkroom/shared/models/price.ts';
import type { Deps } from '../deps.ts';
import { drainLocal } from './drain-spool.ts';
import { findImage, sourceOf } from './look-in-storage.ts';
import type { CallWork } from './run-call.ts';

type Attempt = JobRecord['attempts'][number];

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
  const { record, call, missing } = work;
  const attempts = record.attempts.filter((row) => row.call === call && mayHaveStored(row));
  const found = await findAll(deps, work, attempts);
  if (found.length === 0) return false;
  const owner = found.length === missing.length ? onlySource(found) : null;
  const finished = await finishAttempt(deps.steps, {
    jobId: record.id,
    call,
    // With images missing, or of several attempts, their outcomes stay unknown: what is open is closed next (lost-attempt.ts).
    seq: owner?.seq ?? 0,
    outcome: 'succeeded',
    facts: owner === null || owner.answeredAt !== undefined ? {} : costOf(work),
    count: '',
    isFinal: false,
    error: null,
    images: found.map(({ row }) => row),
    callImages: record.spec.calls[call] ?? [],
  });
  deps.log.info(
    { jobId: record.id, call, attempt: owner?.seq ?? null, images: found.length, jobEnded: finished.jobEnded },
    'stored images recovered',
  );
  return finished.callOutcome !== '';
}

/** Of all that was missing; nothing was noted when the answer came. */
function costOf({ record: { spec }, missing }: CallWork): Pick<AttemptRow, 'costMicroUsd'> {
  return { costMicroUsd: actualMicroUsd(spec.model, spec.body, missing.length, null) };
}

interface FoundImage {
  readonly row: ImageRow;
  /**
   * null = the record does not know it: we have stood still and this is of a newer one, or Redis has lost its last moment. The image
   * is recorded, and no attempt is told as paid for it.
   */
  readonly source: Attempt | null;
}

/** Where it does not stand beside an image which of the attempts it is of, it is taken for the last one's. */
async function findAll(deps: Deps, { record, missing }: CallWork, attempts: readonly Attempt[]): Promise<FoundImage[]> {
  const last = attempts.at(-1);
  if (last === undefined) return [];
  const looks = missing.map(async (index) => {
    const row = await findImage(deps, record, index, last);
    if (row === null) return [];
    const told = await sourceOf(deps, row);
    const isTold = ({ call, seq }: Attempt): boolean => call === told?.call && seq === told.seq;
    return [{ row, source: told === null ? last : (attempts.find(isTold) ?? null) }];
  });
  return (await Promise.all(looks)).flat();
}

/** null when there are several, or it is not known. */
function onlySource(found: readonly FoundImage[]): Attempt | null {
  const source = found[0]?.source ?? null;
  return found.every((image) => image.source === source) ? source : null;
}

/** One whose end its own worker saw has stored nothing unless it succeeded; what lies there is of another attempt. */
function mayHaveStored({ outcome, endedAt }: AttemptRow): boolean {
  return outcome === null || outcome === 'succeeded' || (outcome === 'unknown' && endedAt === undefined);
}
