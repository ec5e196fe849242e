// The paying gate, and what becomes of an attempt that was let through and not sent. Where it stands among the other steps:
// attempt-steps.ts.
import { loadScript, runScript } from '../base/redis.ts';
import { assertNumbers, readKind } from '../base/redis-reply.ts';
import { finishAttempt } from './attempt-steps.ts';
import type { AttemptRow } from './record.ts';
import { type JobSteps, toRetention } from './steps.ts';

const BEGIN = loadScript(import.meta.url, 'lua/lane.lua', 'lua/lib.lua', 'lua/begin-attempt.lua');

/** Read strictly: what is not an answer of the step decides nothing. */
const GATE_ANSWERS = new Set([
  'go',
  'gone',
  'done',
  'withheld',
  'lost',
  'stale',
  'spooled',
  'unknown',
  'no-room',
] as const satisfies GateAnswer['kind'][]);

/** A bucket of the permit, and what the call takes of it. */
export interface GateBucket {
  readonly hash: string;
  /** ms of the limit's refill that may be sent at once. */
  readonly burst: number;
  /** By meter: ms of its refill. */
  readonly share: Readonly<Record<string, number>>;
}

export interface Gate {
  readonly jobId: string;
  readonly call: number;
  /** Redis key of the queue item's lock, and the token it must hold. */
  readonly lockKey: string;
  readonly lockToken: string;
  readonly onUnknown: 'retry' | 'fail';
  readonly upstreamKeyHash: string;
  /** This process must still hold room in its host's spool: the hash of that, and its name in it. */
  readonly spoolRoomHash: string;
  readonly processId: string;
  /** The item's place in its lane. */
  readonly tag: number;
  readonly buckets: readonly GateBucket[];
  readonly epoch: number;
  /** This permit is the probe of a paused key. */
  readonly isProbe: boolean;
  readonly row: Pick<AttemptRow, 'permit' | 'run' | 'upstreamKey' | 'images' | 'upperBoundMicroUsd'>;
  /** All image indexes of the call; those of `row` may be fewer. */
  readonly callImages: readonly number[];
}

export type GateAnswer =
  | {
      readonly kind: 'go';
      readonly seq: number;
      readonly failed: number;
      readonly moderated: number;
      readonly unknown: number;
      /** On the clock of `performance.now()`: from then on the item may be another worker's, and nothing may be sent. */
      readonly sendBefore: number;
    }
  | {
      readonly kind:
        | 'gone'
        | 'done'
        | 'withheld'
        | 'lost'
        | 'stale'
        | 'spooled'
        | 'unknown'
        | 'no-room'
        | 'unreplicated';
    };

/** Why an attempt was not sent though the gate was passed: too few replicas have its row, or the item's lock has run out since. */
export type Unsent = 'redis_not_replicated' | 'lock_ran_out';

/** The paying gate. Only after `go` may the request be sent, once, and before `sendBefore`. */
export async function beginAttempt(steps: JobSteps, gate: Gate): Promise<GateAnswer> {
  const { replicas, ...master } = steps;
  if (replicas === undefined) return passGate(master, gate);
  const { kind, answer } = await replicas.run(() => passGate(master, gate));
  if (answer !== undefined && (kind === 'done' || answer.kind !== 'go')) return answer;
  if (answer?.kind === 'go')
    await closeUnsent(master, gate.jobId, gate.call, answer.seq, gate.callImages, 'redis_not_replicated');
  return { kind: 'unreplicated' };
}

/** On the master alone: what gets lost of it leaves the row open, and so `unknown` rather than forgotten. */
export async function closeUnsent(
  { replicas: _, ...master }: JobSteps,
  jobId: string,
  call: number,
  seq: number,
  callImages: readonly number[],
  code: Unsent,
): Promise<void> {
  await finishAttempt(master, {
    jobId,
    call,
    seq,
    outcome: 'failed',
    facts: { code },
    count: '',
    isFinal: false,
    error: null,
    images: [],
    callImages,
  });
}

async function passGate(steps: JobSteps, gate: Gate): Promise<GateAnswer> {
  const { redis, keys } = steps;
  const askedAt = performance.now();
  const reply = await runScript(
    redis,
    BEGIN,
    [
      keys.job(gate.jobId),
      gate.lockKey,
      gate.upstreamKeyHash,
      gate.spoolRoomHash,
      ...gate.buckets.map(({ hash }) => hash),
    ],
    [
      gate.call,
      gate.lockToken,
      gate.onUnknown,
      toRetention(steps),
      gate.epoch,
      gate.isProbe ? 1 : 0,
      JSON.stringify(gate.row),
      gate.tag,
      gate.processId,
      JSON.stringify(gate.buckets.map(({ burst, share }) => ({ burst, share }))),
    ],
  );
  const [kind, ...counts] = readKind(reply, GATE_ANSWERS, 'begin-attempt');
  if (kind !== 'go') return { kind };
  assertNumbers(counts, 5, 'begin-attempt');
  const [seq = 0, failed = 0, moderated = 0, unknown = 0, lockMs = 0] = counts;
  return { kind: 'go', seq, failed, moderated, unknown, sendBefore: askedAt + lockMs };
}
