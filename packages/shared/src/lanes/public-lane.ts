// A lane as the operator sees it.
import { toUnixSeconds } from '../base/units.ts';
import { findModel } from '../models/rules.ts';
import type { Concurrency, LimitState, Rate } from './limit-state.ts';
import type { KeyState, LaneState } from './read-lanes.ts';

/** An installation with thousands of accounts is not listed with each reply. */
const ACCOUNTS_SHOWN = 100;

/** `expectedWaitSeconds`: of a new call of normal priority; null when nothing is known of it. */
export function toPublicLane(lane: LaneState, expectedWaitSeconds: number | null) {
  return {
    id: lane.id,
    object: 'lane' as const,
    family: findModel(lane.id)?.family ?? null,
    waiting: lane.waiting,
    delayed: lane.delayed,
    active: lane.active,
    open_calls: lane.openCalls,
    open_calls_by_account: Object.fromEntries(lane.openByAccount.slice(0, ACCOUNTS_SHOWN)),
    started_per_minute: {
      calls: toTenths(lane.startedPerMinute.calls),
      images: toTenths(lane.startedPerMinute.images),
    },
    expected_wait_seconds: expectedWaitSeconds,
    resting_until: untilSeconds(lane.restingUntil),
    upstream_keys: lane.keys.map(toPublicKey),
  };
}

function toPublicKey({ name, host, paused, limits }: KeyState) {
  return {
    name,
    host,
    paused:
      paused === null
        ? null
        : {
            since: toUnixSeconds(paused.since),
            next_probe_at: untilSeconds(paused.nextProbeAt),
            probing: paused.isProbing,
            error: paused.error,
          },
    limits: limits.map(toPublicLimit),
  };
}

function toPublicLimit({ name, rates, concurrency, stoppedUntil }: LimitState) {
  return {
    name,
    images_per_minute: toPublicRate(rates.images),
    requests_per_minute: toPublicRate(rates.requests),
    tokens_per_minute: toPublicRate(rates.tokens),
    concurrency: toPublicConcurrency(concurrency),
    stopped_until: untilSeconds(stoppedUntil),
  };
}

function toPublicRate(rate: Rate | null) {
  return rate === null ? null : { limit: toTenths(rate.limit), source: rate.source, available: rate.available };
}

function toPublicConcurrency({ limit, inUse, loweredTo }: Concurrency) {
  return limit === null && loweredTo === null ? null : { limit, in_use: inUse, lowered_to: loweredTo };
}

function toTenths(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The end of a time is never shown earlier than it is. */
function untilSeconds(ms: number | null): number | null {
  return ms === null ? null : Math.ceil(ms / 1_000);
}
