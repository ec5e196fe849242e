// One run of a queue item: does what is left of its call. Asks the record first, then storage, then makes one attempt
// after the other (try-call.ts), until the call has its outcome or must wait. Safe to run again after a crash at any line;
// see the state machine in shared/jobs/steps.ts.

import type { Slot } from '@darkroom/shared/base/slots.ts';
import type { GateAnswer } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import type { CallItem } from '@darkroom/shared/queues/call-queue.ts';
import type { Deps } from '../deps.ts';
import type { Permit } from '../governor/governor.ts';
import type { ItemEnd } from '../verdict.ts';
import { recoverStored } from './recover-stored.ts';
import { tryCall } from './try-call.ts';

/** What one call is about, read afresh before each attempt. */
export interface CallWork {
  readonly record: JobRecord;
  readonly call: number;
  /** Image indexes the call still lacks. */
  readonly missing: readonly number[];
}

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

export async function runCall(deps: Deps, item: CallItem, token: string, signal: AbortSignal): Promise<ItemEnd> {
  const work = await readWork(deps, item);
  if (work === null) return DONE;
  if (await recoverStored(deps, work)) return DONE;
  const slot = await takeSlot(deps, signal);
  if (slot === null) return { kind: 'no-room' };
  try {
    return await workOff(deps, item, token, signal);
  } finally {
    slot.free();
  }
}

async function takeSlot(deps: Deps, signal: AbortSignal): Promise<Slot | null> {
  const giveUp = AbortSignal.any([signal, AbortSignal.timeout(SLOT_WAIT_MS)]);
  try {
    return await deps.slots.take(giveUp);
  } catch (error) {
    if (giveUp.aborted) return null;
    throw error;
  }
}

async function readWork(deps: Deps, item: CallItem): Promise<CallWork | null> {
  const record = await readJob(deps.redis, deps.keys, item.jobId);
  const state = record?.calls[item.call];
  if (!record || !state || state.outcome !== '' || record.run !== item.run) return null;
  const missing = (record.spec.calls[item.call] ?? []).filter((index) => !record.images.has(index));
  return { record, call: item.call, missing };
}

async function workOff(deps: Deps, item: CallItem, token: string, signal: AbortSignal): Promise<ItemEnd> {
  let largest = Number.POSITIVE_INFINITY;
  for (;;) {
    const work = await readWork(deps, item);
    if (work === null) return DONE;
    const images = work.missing.slice(0, largest);
    const step = await tryCall(deps, work, images, token, signal);
    if (step.kind !== 'again') return step;
    largest = step.largest ?? largest;
  }
}
