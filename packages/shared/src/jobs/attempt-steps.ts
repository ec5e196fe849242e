// The state machine of a call, as typed functions over the Lua steps. Each step is atomic and safe to repeat.
//
//   planned ─room, inputs, permit─▶ ready ─begin-attempt─▶ sent ─note-answer─▶ answered ─stored, finish-attempt─▶ recorded
//
//   ready    ─limit stopped, no room─▶ planned
//   sent     ─error, finish-attempt─▶ planned (retry, later, pause) | failed (final, MAX_ATTEMPTS)
//   sent     ─the item's lock ran out before the socket was ready, finish-attempt─▶ planned
//   sent, answered ─worker lost: close-lost, or the next begin-attempt, closes the row as unknown─▶ planned (once) |
//            failed (outcome_unknown) | withheld (cancel, time over)
//   answered ─storage away: note-spooled; links: with note-answer─▶ spooled ─drained: finish-attempt─▶ recorded
//   spooled  ─over `until`, finish-attempt─▶ failed (result_lost)
//   recorded ─every image is there─▶ succeeded; ─some are missing─▶ planned (counted as unknown) | failed (result_lost)
//   planned  ─withhold-calls (cancel, time over)─▶ withheld; ─fail-call (an input is gone)─▶ failed, without an attempt
//
//   job:   queued ─▶ in_progress ─▶ completed | incomplete | failed | cancelled | expired ──retry-job──▶ queued, run+1
//
//   A crash right after…     leaves…                                      and is mended by…
//   room, inputs, permit     room and lease till they run out (45 s)      nobody: nothing was sent
//   begin-attempt, and the   an open row; the lock may be another's when  the same worker: it sends nothing and closes the row
//   worker stands still      the answer is here or the socket is ready
//   begin-attempt            an open row, perhaps a request in flight     the next worker of the item: `unknown`, at most one more;
//                                                                         the sweep, for calls that need no other attempt
//   the request, and Redis   the lock gone, but the worker lives          the same worker: it takes the lock again before lost items
//   is away beyond the lock                                               are looked for. An item that comes again to the process
//                                                                         that has the attempt under way waits for its end
//   the request, and the     the reply in its socket; another may have    the same worker: it reads the reply, however late, and its
//   worker stands still      the item by then                             images are kept where the call has none
//   half the reply, which    the images whose quotes have come            the same worker: they are its answer; the others count
//   breaks off or stalls                                                  as unknown. With none of them the outcome is unknown
//   the reply                an open row; a URL reply's links once noted  as after begin-attempt; links: any worker (drain)
//   note-answer              a row known to be paid                       the same; the cost counts as paid, not as possible
//   an image stored          bytes under their fixed key                  recover-stored: found and recorded, not bought; of an
//                                                                         answer that is spooled by then the drain does the same
//   the spool file           a file Redis knows nothing of                any worker of the host: noted, then drained. A worker
//                                                                         of another host may be quicker: then it is `unknown`
//   note-spooled             the file, perhaps a copy in Redis            drain: that host's workers, or any with the copy; past
//                                                                         `until` the call fails as paid and lost, not bought again
//   a drained image stored   as «an image stored», the file still there   the next drain: finds it stored, goes on
//   finish-attempt           an item, a file without work                 replay finds the outcome; drain removes the file
//
// While an answer is spooled its call is neither sent again nor withheld nor failed (`spooled` in the call's row), and the
// sweep adds no item for it. A worker frozen past its lock is refused by begin-attempt; what it brings late is kept if the
// call has no outcome yet, and never replaces an image. Whatever a request needs (room, inputs, permit) is taken before
// begin-attempt: between it and the socket nothing is awaited that could have been known before.
import { loadScript, runScript, type Script } from '../base/redis.ts';
import { RedisReplyError, readFlag, readKind, readWord } from '../base/redis-reply.ts';
import { runUntilDurable } from '../base/replicas.ts';
import {
  type AttemptOutcome,
  type AttemptRow,
  type ImageRow,
  JOB_STATUSES,
  type JobStatus,
  type SpooledAnswerRow,
  type StoredError,
  toStoredImageRow,
} from './record.ts';
import { type JobSteps, toRetention } from './steps.ts';

const load = (step: string): Script => loadScript(import.meta.url, 'lua/lane.lua', 'lua/lib.lua', `lua/${step}.lua`);
const NOTE_ANSWER = load('note-answer');
const FINISH = load('finish-attempt');
const FAIL_CALL = load('fail-call');
const CLOSE_LOST = load('close-lost');

/** Read strictly: what is not an answer of the step decides nothing. */
const CALL_OUTCOMES = new Set<Finished['callOutcome']>(['', 'succeeded', 'failed', 'withheld', 'gone']);
const CLOSED_LOST = new Set(['none', 'closed'] as const);
const FAILED_CALLS = new Set<FailedCall['kind']>(['gone', 'done', 'lost', 'spooled', 'withheld', 'failed']);
const ENDS: ReadonlySet<JobStatus | ''> = new Set<JobStatus | ''>(['', ...JOB_STATUSES]);

export type AttemptFacts = Partial<
  Pick<
    AttemptRow,
    | 'status'
    | 'code'
    | 'requestId'
    | 'costMicroUsd'
    | 'extraMicroUsd'
    | 'cameImages'
    | 'inputTokens'
    | 'inputImageTokens'
    | 'outputTokens'
    | 'echo'
  >
>;

/** Links of an answer, and for how long this worker alone follows them. */
export interface NotedLinks {
  readonly row: SpooledAnswerRow;
  readonly owner: string;
  readonly leaseMs: number;
}

/** The reply is here and paid. Never throws away the row; false when there is no such attempt. */
export async function noteAnswer(
  steps: JobSteps,
  jobId: string,
  call: number,
  seq: number,
  facts: AttemptFacts,
  links: NotedLinks | null = null,
): Promise<boolean> {
  const { keys } = steps;
  const waits = links === null ? '' : JSON.stringify(links.row);
  const args = [call, seq, JSON.stringify(facts), waits, links?.leaseMs ?? 0, links?.owner ?? ''];
  return readFlag(await runUntilDurable(steps, NOTE_ANSWER, [keys.job(jobId)], args), 'note-answer');
}

export interface Finish {
  readonly jobId: string;
  readonly call: number;
  /** 0 when no attempt belongs to it: images found in storage. */
  readonly seq: number;
  readonly outcome: AttemptOutcome;
  readonly facts: AttemptFacts;
  /** Which of the call's counters goes up. */
  readonly count: '' | 'failed' | 'unknown' | 'moderated';
  /** The call has failed for good, with this error; or the call's last error while it goes on. */
  readonly isFinal: boolean;
  readonly error: StoredError | null;
  readonly images: readonly ImageRow[];
  /** All image indexes of the call. */
  readonly callImages: readonly number[];
}

export interface Finished {
  readonly kept: number;
  readonly callOutcome: '' | 'succeeded' | 'failed' | 'withheld' | 'gone';
  /** The job's status when this was the last call, else null. */
  readonly jobEnded: JobStatus | null;
}

/** Closes an attempt and records what it brought. First write wins; repeating it changes nothing. */
export async function finishAttempt(steps: JobSteps, finish: Finish): Promise<Finished> {
  const { keys } = steps;
  const reply = await runUntilDurable(
    steps,
    FINISH,
    [keys.job(finish.jobId)],
    [
      finish.call,
      finish.seq,
      finish.outcome,
      JSON.stringify(finish.facts),
      finish.count,
      finish.isFinal ? 'failed' : '',
      finish.error === null ? '' : JSON.stringify(finish.error),
      JSON.stringify(finish.images.map(toStoredImageRow)),
      JSON.stringify(finish.callImages),
      toRetention(steps),
    ],
  );
  if (!Array.isArray(reply) || typeof reply[0] !== 'number')
    throw new RedisReplyError('finish-attempt', 'an answer of that step', reply);
  const jobEnded = readWord(reply[2], ENDS, 'finish-attempt');
  return {
    kept: reply[0],
    callOutcome: readWord(reply[1], CALL_OUTCOMES, 'finish-attempt'),
    jobEnded: jobEnded === '' ? null : jobEnded,
  };
}

export interface CallFailure {
  readonly jobId: string;
  readonly call: number;
  readonly run: number;
  /** Redis key of the queue item's lock, and the token it must hold. */
  readonly lockKey: string;
  readonly lockToken: string;
  readonly error: StoredError;
}

export type FailedCall =
  | { readonly kind: 'gone' | 'done' | 'lost' | 'spooled' }
  /** `jobEnded`: the job's status when this was the last call, else null. */
  | { readonly kind: 'withheld' | 'failed'; readonly jobEnded: JobStatus | null };

/** Ends a call that can never be sent, without an attempt. First outcome wins; a job that is cancelled or over is withheld. */
export async function failCall(steps: JobSteps, failure: CallFailure): Promise<FailedCall> {
  const { redis, keys } = steps;
  const reply = await runScript(
    redis,
    FAIL_CALL,
    [keys.job(failure.jobId), failure.lockKey],
    [failure.call, failure.lockToken, failure.run, JSON.stringify(failure.error), toRetention(steps)],
  );
  const [kind, ended] = readKind(reply, FAILED_CALLS, 'fail-call');
  if (kind !== 'withheld' && kind !== 'failed') return { kind };
  const jobEnded = readWord(ended, ENDS, 'fail-call');
  return { kind, jobEnded: jobEnded === '' ? null : jobEnded };
}

export interface LostAttempt {
  readonly jobId: string;
  readonly call: number;
  /** The item's. */
  readonly run: number;
  /** Redis key of the call's queue item's lock, and the token it must hold; '' = nobody may hold it. */
  readonly lockKey: string;
  readonly lockToken: string;
  readonly onUnknown: 'retry' | 'fail';
}

export interface ClosedLost {
  /** '' = work is left. */
  readonly callOutcome: Finished['callOutcome'];
  readonly jobEnded: JobStatus | null;
}

/**
 * Closes the open attempt of a call for a worker that is lost; whoever holds the call's queue item may say so before it makes
 * an attempt of its own, or anybody while nobody holds it. Ends the call when it is over or must not be repeated. null when there was none to close.
 */
export async function closeLost(steps: JobSteps, lost: LostAttempt): Promise<ClosedLost | null> {
  const { redis, keys } = steps;
  const reply = await runScript(
    redis,
    CLOSE_LOST,
    [keys.job(lost.jobId), lost.lockKey],
    [lost.call, lost.lockToken, lost.run, lost.onUnknown, toRetention(steps)],
  );
  const [kind, outcome, ended] = readKind(reply, CLOSED_LOST, 'close-lost');
  if (kind === 'none') return null;
  const jobEnded = readWord(ended, ENDS, 'close-lost');
  return {
    callOutcome: readWord(outcome, CALL_OUTCOMES, 'close-lost'),
    jobEnded: jobEnded === '' ? null : jobEnded,
  };
}
