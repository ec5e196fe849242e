// The state machine of jobs and calls, as typed functions over the Lua steps. Each step is atomic and safe to repeat.
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
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { loadScript, runScript, type Script } from '../base/redis.ts';
import { toWebhookMark } from '../requests/webhook.ts';
import {
  type AttemptOutcome,
  type AttemptRow,
  type ImageRow,
  type JobStatus,
  type StoredError,
  toStoredImageRow,
} from './record.ts';
import { encodeSpec, type JobSpec } from './spec.ts';
import type { Asking } from './unanswered.ts';

const load = (step: string): Script => loadScript(import.meta.url, 'lua/lib.lua', `lua/${step}.lua`);
const CREATE = loadScript(import.meta.url, 'lua/unanswered.lua', 'lua/lib.lua', 'lua/create-job.lua');
const BEGIN = load('begin-attempt');
const NOTE_ANSWER = load('note-answer');
const FINISH = load('finish-attempt');
const WITHHOLD = load('withhold-calls');
const FAIL_CALL = load('fail-call');
const RETRY = load('retry-job');

/** The sweep looks at a new job for the first time after this long; by then its items have long been added. */
const FIRST_LOOK_MS = 15_000;

export interface JobSteps {
  readonly redis: Redis;
  readonly keys: Keys;
  /** How long an ended job is kept, ms; Infinity = for ever. */
  readonly retentionMs: number;
}

export interface Idempotency {
  readonly keyHash: string;
  readonly fingerprint: string;
}

export type Created =
  | { readonly kind: 'created'; readonly id: string; readonly createdAt: number }
  | { readonly kind: 'exists'; readonly id: string }
  /** A client's own retry: this is what its earlier try has made. */
  | { readonly kind: 'joined'; readonly id: string }
  /** Its batch takes no more jobs. */
  | { readonly kind: 'closed'; readonly id: string }
  | { readonly kind: 'conflict'; readonly id: string };

const IDEMPOTENCY_LIFE_MS = 48 * 3_600_000;

/**
 * Records a job. `exists`: the id or idempotency key was used before; `conflict`: for another body. `asking`: the client
 * that waits for the reply; null when nobody may join, as when its idempotency key says what is the same.
 */
export async function createJob(
  steps: JobSteps,
  id: string,
  spec: JobSpec,
  idempotency: Idempotency | null,
  asking: Asking | null = null,
): Promise<Created> {
  const { redis, keys } = steps;
  const images = spec.calls.reduce((sum, call) => sum + call.length, 0);
  const reply = (await runScript(
    redis,
    CREATE,
    [
      keys.job(id),
      keys.accountJobs(spec.account),
      keys.openJobs,
      keys.idempotency(spec.account, idempotency?.keyHash ?? ''),
      keys.accounts,
      keys.unanswered(spec.account, asking?.fingerprint ?? ''),
    ],
    [
      id,
      spec.account,
      encodeSpec(spec),
      spec.calls.length,
      images,
      spec.expiresAfterSeconds * 1_000,
      FIRST_LOOK_MS,
      idempotency?.fingerprint ?? '',
      IDEMPOTENCY_LIFE_MS,
      spec.batchId ?? '',
      toWebhookMark(spec.webhook),
      asking?.asker ?? '',
      asking?.isRetry === true ? 1 : 0,
    ],
  )) as [Created['kind'], string, number];
  return { kind: reply[0], id: reply[1], createdAt: reply[2] };
}

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

export type Withheld = { readonly kind: 'gone' } | { readonly kind: 'ended' | 'done'; readonly status: JobStatus };

/** Cancels the job's calls, or expires them when its time is over; calls under way finish. */
export async function withholdCalls(
  steps: JobSteps,
  jobId: string,
  calls: number,
  reason: 'cancelled' | 'expired',
): Promise<Withheld> {
  const { redis, keys } = steps;
  const reply = (await runScript(redis, WITHHOLD, [keys.job(jobId)], [reason, calls, toRetention(steps)])) as [
    Withheld['kind'],
    JobStatus,
  ];
  return reply[0] === 'gone' ? { kind: 'gone' } : { kind: reply[0], status: reply[1] };
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

export type Retried =
  | { readonly kind: 'gone' | 'open' | 'whole' }
  | { readonly kind: 'retried'; readonly run: number; readonly calls: readonly number[] };

/** Opens an ended job for a new run of its calls without images. A caller can't while the job's batch is running. */
export async function retryJob(
  steps: JobSteps,
  jobId: string,
  spec: JobSpec,
  by: 'caller' | 'batch' = 'caller',
): Promise<Retried> {
  const { redis, keys } = steps;
  const reply = (await runScript(
    redis,
    RETRY,
    [keys.job(jobId)],
    [spec.calls.length, spec.expiresAfterSeconds * 1_000, FIRST_LOOK_MS, by === 'batch' ? 1 : 0],
  )) as [Retried['kind'], number, ...number[]];
  const [kind, run, ...calls] = reply;
  return kind === 'retried' ? { kind, run, calls } : { kind };
}

function toRetention(steps: JobSteps): number {
  return Number.isFinite(steps.retentionMs) ? steps.retentionMs : 0;
}
