// One attempt of a call: its input images, a permit, the paying gate, the request. All that the request needs is there
// before the permit is taken, so that nothing we could have known fails between the gate and the socket. A crash before
// the gate leaves nothing but a permit's unused share; after it an open row, see shared/jobs/attempt-steps.ts.
import { itemIdOf } from '@darkroom/shared/base/ids.ts';
import { beginAttempt, closeUnsent, type GateAnswer } from '@darkroom/shared/jobs/paying-gate.ts';
import type { AttemptRow } from '@darkroom/shared/jobs/record.ts';
import { inputsOf } from '@darkroom/shared/jobs/spec.ts';
import { upperBoundMicroUsd } from '@darkroom/shared/models/price.ts';
import { estimateTokens } from '@darkroom/shared/models/tokens.ts';
import { itemLockKey } from '@darkroom/shared/queues/call-queue.ts';
import { allOf } from '@darkroom/shared/requests/inputs.ts';
import type { Deps } from '../deps.ts';
import { type Ask, LONGEST_SLEEP_MS, type Permit, type Refused, type TooLarge } from '../governor/governor.ts';
import { prepareRequest, type WireRequest } from '../upstream/prepare-request.ts';
import type { ItemEnd } from '../verdict.ts';
import { onlyKeyFor } from './only-key.ts';
import { readInputs } from './read-inputs.ts';
import type { CallWork, HeldLock, NextStep, SentAttempt } from './run-call.ts';
import { settleAnswer } from './settle-answer.ts';
import { settleFailure } from './settle-failure.ts';
import { settleLostInput } from './settle-lost-input.ts';

/** After storage could not be read before an attempt. */
const AFTER_STORAGE_ERROR_MS = 5_000;
/** After a call has waited in vain for room for its input images. */
const AFTER_CROWD_MS = 5_000;
/** So that a call bound to one key notices soon when that goes on sooner than it was said. */
const LONGEST_BOUND_WAIT_MS = 10_000;
/** After too few replicas of Redis had an attempt's row for it to be sent. */
const AFTER_TOO_FEW_REPLICAS_MS = 2_000;
const DONE: ItemEnd = { kind: 'done' };

/** Makes the images `images` of a call with one request at most. */
export async function tryCall(
  deps: Deps,
  work: CallWork,
  images: readonly number[],
  lock: HeldLock,
  signal: AbortSignal,
): Promise<NextStep> {
  const { spec } = work.record;
  const ask: Ask = {
    model: spec.model,
    images: images.length,
    tokens: estimateTokens(spec.model, spec.body, images.length),
    onlyKey: onlyKeyFor(work.record, work.call, deps.upstreamKeys),
  };
  // Megabytes are not fetched for a call that has to wait anyway.
  const shut = allOf(inputsOf(spec)).length === 0 ? null : await deps.governor.look(ask);
  if (shut !== null) return waitFor(shut);
  const inputs = await readInputs(deps, spec, signal);
  switch (inputs.kind) {
    case 'stopped':
      return { kind: 'hand-back', ms: 0 };
    case 'crowded':
      return { kind: 'delay', ms: AFTER_CROWD_MS };
    case 'away':
      deps.breaker.trip(inputs.reason);
      deps.log.warn({ jobId: work.record.id, call: work.call, reason: inputs.reason }, 'input images have to wait');
      return { kind: 'delay', ms: AFTER_STORAGE_ERROR_MS };
    case 'lost':
      await settleLostInput(deps, work, lock.token, inputs.error);
      return DONE;
    case 'read':
      break;
  }
  try {
    const asked = { operation: spec.sentAs, body: spec.body, images: images.length, inputs: inputsOf(spec) };
    const wire = prepareRequest(asked, inputs.bytesOf, () => inputs.free());
    return await takePermit(deps, work, { images, ask, wire }, lock, signal);
  } finally {
    inputs.free();
  }
}

interface ReadyRequest {
  readonly images: readonly number[];
  readonly ask: Ask;
  readonly wire: WireRequest;
}

async function takePermit(
  deps: Deps,
  work: CallWork,
  { images, ask, wire }: ReadyRequest,
  lock: HeldLock,
  signal: AbortSignal,
): Promise<NextStep> {
  const { spec } = work.record;
  const asked = performance.now();
  const acquired = await deps.governor.acquire(ask);
  if (acquired.kind !== 'permit') return waitFor(acquired);
  const { permit } = acquired;
  const slept = await permit.sleep(signal);
  if (slept !== 'rested') {
    await permit.giveBack('unused');
    return slept === 'stopped' ? { kind: 'again' } : { kind: 'hand-back', ms: 0 };
  }
  if (deps.breaker.isOpen) {
    await permit.giveBack('unused');
    return { kind: 'storage-away' };
  }
  if (!deps.linkBreaker.mayBegin(spec.lane)) {
    await permit.giveBack('unused');
    return { kind: 'links-away' };
  }
  deps.metrics.permitWait.observe({ model: spec.lane }, (performance.now() - asked) / 1_000);
  const gate = await passGate(deps, work, images, permit, lock.token).catch(async (error: unknown) => {
    await permit.giveBack('used');
    throw error;
  });
  if (gate.kind !== 'go') {
    await permit.giveBack('unused');
    deps.log.debug({ jobId: work.record.id, call: work.call, gate: gate.kind }, 'nothing sent');
    if (gate.kind === 'unreplicated') {
      deps.log.warn({ jobId: work.record.id, call: work.call }, 'not sent: too few replicas of Redis know of it');
      return { kind: 'hand-back', ms: AFTER_TOO_FEW_REPLICAS_MS };
    }
    if (gate.kind === 'no-room') {
      await deps.room.renew();
      return { kind: 'spool-full' };
    }
    return gate.kind === 'stale' ? { kind: 'again' } : DONE;
  }
  return send(deps, { work, gate, images, permit, startedAt: Date.now() }, wire, lock);
}

/** A call that waits for one upstream key waits alone: its lane goes on under the others. One that is too large is cut at once. */
function waitFor(refused: Refused | TooLarge): NextStep {
  if (refused.kind === 'too-large') return { kind: 'again', largest: refused.most };
  const ms = restOf(refused);
  return refused.isBound ? { kind: 'delay', ms: Math.min(LONGEST_BOUND_WAIT_MS, ms) } : { kind: 'hand-back', ms };
}

/** A lane at its rate goes on while the sleepers still have half their time, so that the limit is never left unused. */
function restOf(refused: Refused): number {
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
    onUnknown: record.spec.onUnknown ?? deps.config.ON_UNKNOWN,
    upstreamKeyHash: permit.upstreamKeyHash,
    spoolRoomHash: deps.room.hash,
    processId: deps.room.processId,
    tag: work.tag,
    buckets: permit.buckets,
    epoch: permit.epoch,
    isProbe: permit.isProbe,
    row,
    callImages: imagesOf(work),
  });
}

/** All of the call, also those that are there and those that another request makes. */
function imagesOf({ record, call }: CallWork): readonly number[] {
  return record.spec.calls[call] ?? [];
}

async function send(deps: Deps, attempt: SentAttempt, wire: WireRequest, lock: HeldLock): Promise<NextStep> {
  const { record, call } = attempt.work;
  const lane = { model: record.spec.lane };
  deps.log.info(
    { jobId: record.id, call, attempt: attempt.gate.seq, model: record.spec.model, images: attempt.images.length },
    'call sent',
  );
  const { permit, gate } = attempt;
  return deps.underWay.during({ jobId: record.id, call, seq: gate.seq }, async () => {
    deps.metrics.callsInFlight.inc(lane);
    try {
      const isOurs = (): boolean => performance.now() < Math.max(gate.sendBefore, lock.heldUntil());
      const result = await deps.upstreams.of(permit.upstreamKey).request(wire, gate.sendBefore, isOurs);
      if (result.kind === 'late') return await settleUnsent(deps, attempt);
      deps.metrics.callDuration.observe(lane, (Date.now() - attempt.startedAt) / 1_000);
      return result.kind === 'answered'
        ? await settleAnswer(deps, attempt, result.answer)
        : await settleFailure(deps, attempt, result);
    } finally {
      deps.metrics.callsInFlight.dec(lane);
    }
  });
}

/**
 * The gate's answer was long under way, or this process stood still since: the item's lock has run out, and another worker may
 * have taken the call up.
 */
async function settleUnsent(deps: Deps, { work, gate, permit }: SentAttempt): Promise<NextStep> {
  const { record, call } = work;
  deps.log.warn({ jobId: record.id, call, attempt: gate.seq }, 'not sent: the lock of its item has run out');
  await permit.giveBack('unused');
  await closeUnsent(deps.steps, record.id, call, gate.seq, imagesOf(work), 'lock_ran_out');
  return { kind: 'again' };
}
