// What lies before a waiting call: how many others go first, how fast its lane goes, and when it goes on at all. Changes
// nothing.
import type { Redis } from 'ioredis';
import { itemIdOf } from '../base/ids.ts';
import type { Keys } from '../base/keys.ts';
import { type CallItem, waitingItemsKey } from '../queues/call-queue.ts';
import { type KeyState, type LaneState, readLanes } from './read-lanes.ts';
import { repliesOf } from './replies-of.ts';

/** How fast a lane goes, as far as it is known. */
export interface LaneRate {
  /** null = neither a limit nor a throughput is known. */
  readonly imagesPerMinute: number | null;
  /** On average, of late. */
  readonly imagesPerCall: number;
  /** Nothing starts before, unix ms of this process' clock; null = nobody knows when: every upstream key is paused, or the image storage away. */
  readonly startsAt: number | null;
}

/** When a call behind `callsAhead` others will start, s from `now`; null = not known. */
export function expectedWaitSeconds(rate: LaneRate, callsAhead: number, now: number): number | null {
  if (rate.startsAt === null) return null;
  const restSeconds = Math.max(0, rate.startsAt - now) / 1_000;
  if (callsAhead === 0) return Math.ceil(restSeconds);
  if (rate.imagesPerMinute === null) return null;
  return Math.ceil(restSeconds + (callsAhead * rate.imagesPerCall * 60) / rate.imagesPerMinute);
}

/** The calls of one job that may be waiting. */
export interface WaitingCalls {
  readonly lane: string;
  readonly items: readonly CallItem[];
}

/**
 * How many items go before the first waiting one of each job, in one round trip; null when none of a job's items waits in
 * line: all are taken up, rest before another try, or are not queued.
 */
export async function readPositions(
  redis: Redis,
  keys: Keys,
  jobs: readonly WaitingCalls[],
): Promise<(number | null)[]> {
  const asked = jobs.flatMap(({ lane, items }, job) =>
    items.map((item) => ({ job, lane, id: itemIdOf(item.jobId, item.call, item.run) })),
  );
  const positions: (number | null)[] = jobs.map(() => null);
  if (asked.length === 0) return positions;
  const pipeline = redis.pipeline();
  for (const { lane, id } of asked) pipeline.zrank(waitingItemsKey(keys, lane), id);
  const ranks = (await repliesOf(pipeline)) as (number | null)[];
  for (const [index, { job }] of asked.entries()) {
    const rank = ranks[index] ?? null;
    if (rank !== null) positions[job] = Math.min(rank, positions[job] ?? rank);
  }
  return positions;
}

/** Asks at most once per `lifeMs` and lane. Rejects when Redis is away. */
export function buildLaneRates(redis: Redis, keys: Keys, lifeMs = 1_000): (lane: string) => Promise<LaneRate> {
  const known = new Map<string, { readonly at: number; readonly rate: Promise<LaneRate> }>();
  return (lane) => {
    const last = known.get(lane);
    if (last !== undefined && Date.now() - last.at < lifeMs) return last.rate;
    const asked = { at: Date.now(), rate: readLaneRate(redis, keys, lane) };
    known.set(lane, asked);
    asked.rate.catch(() => {
      if (known.get(lane) === asked) known.delete(lane);
    });
    return asked.rate;
  };
}

async function readLaneRate(redis: Redis, keys: Keys, lane: string): Promise<LaneRate> {
  const [state] = await readLanes(redis, keys, [lane]);
  if (state === undefined) throw new TypeError(`no such lane: ${lane}`);
  return toLaneRate(state, Date.now());
}

/** As in lane.lua: the counts decay with it. */
const THROUGHPUT_MS = 60_000;
/** Below so many calls nothing is known of how many images they make. */
const IDLE_CALLS = 0.5;
/** What was measured for a shorter time says how many slots there are, not how fast they get free. */
const LEAST_MEASURED_MS = 10_000;

/** `now`: of this process' clock, as `startsAt` is. */
export function toLaneRate(state: LaneState, now: number): LaneRate {
  const inUse = state.keys.filter(({ paused }) => paused === null);
  const { calls, images } = state.startedPerMinute;
  const imagesPerCall = calls >= IDLE_CALLS ? images / calls : 1;
  const limit = sumOf(inUse.map((key) => leastImagesPerMinute(key, imagesPerCall)));
  const restMs = Math.max(state.restingUntil ?? 0, Math.min(...inUse.map(freeAt))) - state.readAt;
  return {
    imagesPerMinute: imagesPerMinute(state, limit, restMs > 0),
    imagesPerCall,
    startsAt: inUse.length === 0 || state.isStorageAway ? null : now + Math.max(0, restMs),
  };
}

/** When a call of one image may start under an upstream key, ms of Redis' clock: no limit of it is stopped or used up. */
function freeAt({ limits }: KeyState): number {
  const times = limits.flatMap(({ stoppedUntil, rates: { images, requests, tokens } }) => [
    stoppedUntil ?? 0,
    ...[images, requests, tokens].map((rate) => rate?.freeAt ?? 0),
  ]);
  return Math.max(0, ...times);
}

/** What all keys let through together; null when there are none, or one lets through nobody knows how much. */
function sumOf(limits: readonly (number | null)[]): number | null {
  if (limits.length === 0) return null;
  return limits.reduce((sum, limit) => (sum === null || limit === null ? null : sum + limit), 0);
}

/** What one upstream key lets through; null when none of its limits is known. */
function leastImagesPerMinute({ limits }: KeyState, imagesPerCall: number): number | null {
  const rates = limits.flatMap(({ rates: { images, requests, tokens }, tokensPerImage }) => [
    ...(images === null ? [] : [images.limit]),
    ...(requests === null ? [] : [requests.limit * imagesPerCall]),
    ...(tokens === null || tokensPerImage === null ? [] : [tokens.limit / tokensPerImage]),
  ]);
  return rates.length === 0 ? null : Math.min(...rates);
}

/**
 * The limit, unless fewer images are sent though calls wait: slots or the upstream's pace are the limit then. What was measured
 * where no limit is known; null when nothing was.
 */
function imagesPerMinute(state: LaneState, limit: number | null, isStopped: boolean): number | null {
  const { busySince, readAt, imagesWhileBusy } = state;
  // Nothing is sent while the lane is stopped: what it did before counts.
  const at = isStopped ? (state.lastStartedAt ?? readAt) : readAt;
  const busyMs = busySince === null ? 0 : at - busySince;
  if (busyMs < LEAST_MEASURED_MS) return limit;
  const counted = imagesWhileBusy * Math.exp((readAt - at) / THROUGHPUT_MS);
  if (limit === null) return counted < IDLE_CALLS ? null : perMinute(counted, busyMs);
  // The next image may be just about to be sent: a slow lane is not taken for a slower one.
  return state.waiting === 0 ? limit : Math.min(limit, perMinute(counted + 1, busyMs));
}

/** The decayed count of a steady rate grows towards that rate; this undoes how far it still has to go. */
function perMinute(counted: number, measuredMs: number): number {
  return (counted * (60_000 / THROUGHPUT_MS)) / (1 - Math.exp(-measuredMs / THROUGHPUT_MS));
}
