// The state machine of a call, as typed functions over the Lua steps. Each step is atomic and safe to repeat.
//
//   call:  no outcome ──begin-attempt──▶ attempt open ──note-answer──▶ answered ──finish-attempt──▶ succeeded | failed
//              │  ▲                          │                                        │
//              │  └── retry, later ──────────┴── worker lost: closed as unknown ──────┘ images missing: again
//              ├──withhold-calls (cancel, time over)──▶ withheld
//              └──fail-call (an input image is gone)──▶ failed, without an attempt
//   job:   queued ─▶ in_progress ─▶ completed | incomplete | failed | cancelled | expired ──retry-job──▶ queued, run+1
//
// What a crash leaves behind: before begin-attempt nothing; after it an open row, which the next begin-attempt of the
// call (or fail-call) closes as unknown; after note-answer a row known to be paid; stored bytes are found under their
// fixed key. Whatever a request needs (its permit, its input images) is taken before begin-attempt, so that a crash or
// failure while taking it leaves nothing: between begin-attempt and the socket nothing is awaited that could be known before.
import { loadScript, runScript, type Script } from '../base/redis.ts';
import {
  type AttemptOutcome,
  type AttemptRow,
  type ImageRow,
  type JobStatus,
  type StoredError,
  toStoredImageRow,
} from './record.ts';
import { type JobSteps, toRetention } from './steps.ts';

const load = (step: string): Script => loadScript(import.meta.url, 'lua/lane.lua', 'lua/lib.lua', `lua/${step}.lua`);
const BEGIN = load('begin-attempt');
const NOTE_ANSWER = load('note-answer');
const FINISH = load('finish-attempt');
const FAIL_CALL = load('fail-call');

export interface Gate {
  readonly jobId: string;
  readonly call: number;
  /** Redis key of the queue item's lock, and the token it must hold. */
  readonly lockKey: string;
  readonly lockToken: string;
  readonly onUnknown: 'retry' | 'fail';
  readonly upstreamKeyHash: string;
  readonly buckets: readonly string[];
  readonly epoch: number;
  /** This permit is the probe of a paused key. */
  readonly isProbe: boolean;
  readonly row: Pick<AttemptRow, 'permit' | 'run' | 'upstreamKey' | 'images' | 'upperBoundMicroUsd'>;
}

export type GateAnswer =
  | {
      readonly kind: 'go';
      readonly seq: number;
      readonly failed: number;
      readonly moderated: number;
      readonly unknown: number;
    }
  | { readonly kind: 'gone' | 'done' | 'withheld' | 'lost' | 'stale' | 'unknown' };

/** The paying gate. Only after `go` may the request be sent, once. */
export async function beginAttempt(steps: JobSteps, gate: Gate): Promise<GateAnswer> {
  const { redis, keys } = steps;
  const reply = (await runScript(
    redis,
    BEGIN,
    [keys.job(gate.jobId), gate.lockKey, gate.upstreamKeyHash, ...gate.buckets],
    [
      gate.call,
      gate.lockToken,
      gate.onUnknown,
      toRetention(steps),
      gate.epoch,
      gate.isProbe ? 1 : 0,
      JSON.stringify(gate.row),
    ],
  )) as [GateAnswer['kind'], number, number, number, number];
  if (reply[0] !== 'go') return { kind: reply[0] };
  return { kind: 'go', seq: reply[1], failed: reply[2], moderated: reply[3], unknown: reply[4] };
}

export type AttemptFacts = Partial<
  Pick<
    AttemptRow,
    | 'status'
    | 'code'
    | 'requestId'
    | 'costMicroUsd'
    | 'extraMicroUsd'
    | 'inputTokens'
    | 'inputImageTokens'
    | 'outputTokens'
    | 'echo'
  >
>;

/** The reply is here and paid. Never throws away the row; false when there is no such attempt. */
export async function noteAnswer(
  steps: JobSteps,
  jobId: string,
  call: number,
  seq: number,
  facts: AttemptFacts,
): Promise<boolean> {
  return (await runScript(steps.redis, NOTE_ANSWER, [steps.keys.job(jobId)], [call, seq, JSON.stringify(facts)])) === 1;
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
  const { redis, keys } = steps;
  const reply = (await runScript(
    redis,
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
  )) as [number, Finished['callOutcome'], JobStatus | ''];
  return { kept: reply[0], callOutcome: reply[1], jobEnded: reply[2] === '' ? null : reply[2] };
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
  | { readonly kind: 'gone' | 'done' | 'lost' }
  /** `jobEnded`: the job's status when this was the last call, else null. */
  | { readonly kind: 'withheld' | 'failed'; readonly jobEnded: JobStatus | null };

/** Ends a call that can never be sent, without an attempt. First outcome wins; a job that is cancelled or over is withheld. */
export async function failCall(steps: JobSteps, failure: CallFailure): Promise<FailedCall> {
  const { redis, keys } = steps;
  const [kind, ended] = (await runScript(
    redis,
    FAIL_CALL,
    [keys.job(failure.jobId), failure.lockKey],
    [failure.call, failure.lockToken, failure.run, JSON.stringify(failure.error), toRetention(steps)],
  )) as [FailedCall['kind'], (JobStatus | '')?];
  if (kind !== 'withheld' && kind !== 'failed') return { kind };
  return { kind, jobEnded: ended === undefined || ended === '' ? null : ended };
}
