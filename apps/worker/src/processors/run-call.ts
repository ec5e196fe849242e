// One run of a queue item: does what is left of its call. Asks the record first, then the spool and storage, then makes one
// attempt after the other (try-call.ts), until the call has its outcome or must wait. Safe to run again after a crash at any
// line; see the state machine in shared/jobs/attempt-steps.ts.

import type { Slot } from '@darkroom/shared/base/slots.ts';
import { type GateAnswer } from '@darkroom/shared/jobs/paying-gate.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import type { CallItem } from '@darkroom/shared/queues/call-queue.ts';
import type { Deps } from '../deps.ts';
import type { Permit } from '../governor/governor.ts';
import type { ItemLock } from '../item-locks.ts';
import { roomOf } from '../spool/room.ts';
import type { ItemEnd } from '../verdict.ts';
import { closeOpen, endLost } from './lost-attempt.ts';
import { recoverSpooled } from './recover-stored.ts';
import { tryCall } from './try-call.ts';

/** What one call is about, read before each attempt. */
export interface CallWork {
  readonly record: JobRecord;
  readonly call: number;
  /** Image indexes the call still lacks. */
  readonly missing: readonly number[];
  /** The item's place in its lane. */
  readonly tag: number;
}

/** The lock of the item. */
export type HeldLock = Pick<ItemLock, 'token' | 'heldUntil'>;

/** A request that has gone out. */
export interface SentAttempt {
  readonly work: CallWork;
  readonly gate: Extract<GateAnswer, { kind: 'go' }>;
  /** The indexes this attempt makes. */
  readonly images: readonly number[];
  readonly permit: Permit;
  readonly startedAt: number;
}

/** After an attempt: the call goes on at once (with at most `largest` images a request), or the item ends. */
export type NextStep = { readonly kind: 'again'; readonly largest?: number } | ItemEnd;

/** A call waits this long for a place in the process; then another process may have it. */
const SLOT_WAIT_MS = 1_000;
const DONE: ItemEnd = { kind: 'done' };

export async function runCall(deps: Deps, item: CallItem, lock: HeldLock, signal: AbortSignal): Promise<ItemEnd> {
  const { token } = lock;
  let work = await readWork(deps, item, token);
  const spooled = work === null ? 'nothing' : await recoverSpooled(deps, work);
  if (spooled === 'away') return { kind: 'storage-away' };
  if (spooled === 'found') work = await readWork(deps, item, token);
  if (work === null || (await endLost(deps, work, token))) return DONE;
  const { lane } = work.record.spec;
  if (signal.aborted) return { kind: 'no-room' };
  const atOnce = deps.slots.takeAtOnce(lane);
  const slot = atOnce ?? (await waitForSlot(deps, lane, signal));
  if (slot === null) return { kind: 'no-room' };
  // What was read is still the newest, unless time has gone by since, or something was recovered.
  const isFresh = atOnce !== null && work.record.attempts.every(({ call }) => call !== item.call);
  try {
    return await workOff(deps, item, isFresh ? work : null, lock, signal);
  } finally {
    slot.free();
  }
}

async function waitForSlot(deps: Deps, lane: string, signal: AbortSignal): Promise<Slot | null> {
  const giveUp = AbortSignal.any([signal, AbortSignal.timeout(SLOT_WAIT_MS)]);
  try {
    return await deps.slots.take(lane, giveUp);
  } catch (error) {
    if (giveUp.aborted) return null;
    throw error;
  }
}

/**
 * The job as it is when no attempt of the call is under way in this process: an item whose lock was lost over one comes again, and
 * a row that is closed then has its call made twice. Until it is settled the item stays here, where nobody else takes it up.
 */
async function readSettled(deps: Deps, { jobId, call }: CallItem): Promise<JobRecord | null> {
  for (;;) {
    const record = await readJob(deps.redis, deps.keys, jobId);
    const settled = deps.underWay.endOf({ jobId, call, seq: record?.calls[call]?.open ?? 0 });
    if (settled === null) return record;
    deps.log.warn({ jobId, call }, 'its item has come again while an attempt is under way here');
    await settled;
  }
}

/** null when nothing is left for the item to do: an answer in the spool is settled without it. */
async function readWork(deps: Deps, item: CallItem, token: string): Promise<CallWork | null> {
  const record = await readSettled(deps, item);
  const state = record?.calls[item.call];
  if (!record || !state || state.outcome !== '' || state.spooled !== undefined || record.run !== item.run) {
    if (record && state && state.open > 0 && record.run === item.run) await closeOpen(deps, record, item.call, token);
    return null;
  }
  const missing = (record.spec.calls[item.call] ?? []).filter((index) => !record.images.has(index));
  return { record, call: item.call, missing, tag: item.tag ?? 0 };
}

/** `first`: what was read a moment ago, for the first attempt. */
async function workOff(
  deps: Deps,
  item: CallItem,
  first: CallWork | null,
  lock: HeldLock,
  signal: AbortSignal,
): Promise<ItemEnd> {
  let largest = Number.POSITIVE_INFINITY;
  for (let work = first; ; work = null) {
    work ??= await readWork(deps, item, lock.token);
    if (work === null) return DONE;
    const step = await tryInRoom(deps, work, work.missing.slice(0, largest), lock, signal);
    if (step.kind !== 'again') return step;
    largest = step.largest ?? largest;
  }
}

/**
 * A call is sent only with storage at hand, as far as is known, with room in the spool in case it is not, and while its images
 * are not known to be behind links that can't be followed.
 */
async function tryInRoom(
  deps: Deps,
  work: CallWork,
  images: readonly number[],
  lock: HeldLock,
  signal: AbortSignal,
): Promise<NextStep> {
  if (deps.breaker.isOpen) return { kind: 'storage-away' };
  if (deps.linkBreaker.isShut(work.record.spec.lane)) return { kind: 'links-away' };
  const { lane, body } = work.record.spec;
  const room = await deps.room.take(lane, roomOf(body, images.length));
  if (room === null) return { kind: 'spool-full' };
  try {
    return await tryCall(deps, work, images, lock, signal);
  } finally {
    room.free();
  }
}
