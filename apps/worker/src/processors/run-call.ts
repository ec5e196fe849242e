// One run of a queue item: does what is left of its call. Asks the record first, then storage, then takes a permit,
// passes the paying gate, sends one request, and records what came of it, until the call has its outcome or must wait.
// Safe to run again after a crash at any line; see the state machine in shared/jobs/steps.ts.

import { itemIdOf } from '@darkroom/shared/base/ids.ts';
import type { AttemptRow, JobRecord } from '@darkroom/shared/jobs/record.ts';
import { beginAttempt, type GateAnswer } from '@darkroom/shared/jobs/steps.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { upperBoundMicroUsd } from '@darkroom/shared/models/price.ts';
import { estimateTokens } from '@darkroom/shared/models/tokens.ts';
import { type CallItem, itemLockKey } from '@darkroom/shared/queues/call-queue.ts';
import type { Deps } from '../deps.ts';
import { type Acquired, LONGEST_SLEEP_MS, type Permit } from '../governor/governor.ts';
import type { Slot } from '../slots.ts';
import { type ItemEnd, sleepUnlessAborted } from '../verdict.ts';
import { recoverStored } from './recover-stored.ts';
import { settleAnswer } from './settle-answer.ts';
import { settleFailure } from './settle-failure.ts';

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
    const step = await tryOnce(deps, work, images, token, signal);
    if (step.kind !== 'again') return step;
    largest = step.largest ?? largest;
  }
}

async function tryOnce(
  deps: Deps,
  work: CallWork,
  images: readonly number[],
  token: string,
  signal: AbortSignal,
): Promise<NextStep> {
  const { spec } = work.record;
  const asked = performance.now();
  const acquired = await deps.governor.acquire({
    model: spec.model,
    images: images.length,
    tokens: estimateTokens(spec.model, spec.body, images.length),
  });
  if (acquired.kind !== 'permit') return { kind: 'hand-back', ms: restOf(acquired) };
  const { permit } = acquired;
  if (!(await sleepUnlessAborted(permit.waitMs, signal))) {
    await permit.giveBack('unused');
    return { kind: 'hand-back', ms: 0 };
  }
  deps.metrics.permitWait.observe({ model: spec.lane }, (performance.now() - asked) / 1_000);
  const gate = await passGate(deps, work, images, permit, token).catch(async (error: unknown) => {
    await permit.giveBack('used');
    throw error;
  });
  if (gate.kind !== 'go') {
    // After a stop the bucket was emptied on purpose, so a stale permit's share stays taken.
    await permit.giveBack(gate.kind === 'stale' ? 'used' : 'unused');
    deps.log.debug({ jobId: work.record.id, call: work.call, gate: gate.kind }, 'nothing sent');
    return gate.kind === 'stale' ? { kind: 'again' } : DONE;
  }
  return send(deps, { work, gate, images, permit, startedAt: Date.now() });
}

/** A lane at its rate goes on while the sleepers still have half their time, so that the limit is never left unused. */
function restOf(refused: Exclude<Acquired, { kind: 'permit' }>): number {
  return refused.kind === 'rate' ? Math.max(0, refused.waitMs - LONGEST_SLEEP_MS / 2) : refused.waitMs;
}

function passGate(
  deps: Deps,
  work: CallWork,
  images: readonly number[],
  permit: Permit,
  token: string,
): Promise<GateAnswer> {
  const { record, call } = work;
  const row: Pick<AttemptRow, 'permit' | 'run' | 'upstreamKey' | 'images' | 'upperBoundMicroUsd'> = {
    permit: permit.id,
    run: record.run,
    upstreamKey: permit.upstreamKey,
    images,
    upperBoundMicroUsd: upperBoundMicroUsd(record.spec.model, record.spec.body, images.length),
  };
  return beginAttempt(deps.steps, {
    jobId: record.id,
    call,
    lockKey: itemLockKey(deps.keys, record.spec.lane, itemIdOf(record.id, call, record.run)),
    lockToken: token,
    onUnknown: deps.config.ON_UNKNOWN,
    upstreamKeyHash: permit.upstreamKeyHash,
    buckets: permit.buckets,
    epoch: permit.epoch,
    isProbe: permit.isProbe,
    row,
  });
}

async function send(deps: Deps, attempt: SentAttempt): Promise<NextStep> {
  const { record, call } = attempt.work;
  const lane = { model: record.spec.lane };
  deps.log.info(
    { jobId: record.id, call, attempt: attempt.gate.seq, model: record.spec.model, images: attempt.images.length },
    'call sent',
  );
  deps.metrics.callsInFlight.inc(lane);
  const name = `${record.id} call ${call} attempt ${attempt.gate.seq}`;
  deps.underWay.add(name);
  try {
    const result = await deps.upstream.generate(record.spec.body, attempt.images.length);
    deps.metrics.callDuration.observe(lane, (Date.now() - attempt.startedAt) / 1_000);
    return result.kind === 'answered'
      ? await settleAnswer(deps, attempt, result.answer)
      : await settleFailure(deps, attempt, result);
  } finally {
    deps.underWay.delete(name);
    deps.metrics.callsInFlight.dec(lane);
  }
}
