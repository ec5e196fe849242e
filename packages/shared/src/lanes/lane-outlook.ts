// What lies before a waiting call: how many others go first, how fast its lane goes, and when it goes on at all. Changes
// nothing.
import type { Redis } from 'ioredis';
import { itemIdOf } from '../base/ids.ts';
import type { Keys } from '../base/keys.ts';
import { type CallItem, waitingItemsKey } from '../queues/call-queue.ts';
import { type LaneState, readLanes } from './read-lanes.ts';
import { repliesOf } from './replies-of.ts';

/** How fast a lane goes, as far as it is known. */
export interface LaneRate {
  /** null = neither a limit nor a throughput is known. */
  readonly imagesPerMinute: number | null;
  /** On average, of late. */
  readonly imagesPerCall: number;
  /** Nothing starts before, unix ms; null = nobody knows when: every upstream key is paused, or the image storage away. */
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

/** As in lane.lua: the counts decay with it, and below so many calls the lane has been idle. */
const THROUGHPUT_MS = 60_000;
const IDLE_CALLS = 0.5;
/** What was measured for a shorter time says how many slots there are, not how fast they get free. */
const LEAST_MEASURED_MS = 10_000;

/** Limits come first, what was measured where none is known. */
export function toLaneRate(state: LaneState, now: number): LaneRate {
  const { busySince } = state;
  const { calls, images } = state.startedPerMinute;
  const isBusy = busySince !== null && calls >= IDLE_CALLS;
  const imagesPerCall = isBusy ? images / calls : 1;
  const inUse = state.keys.filter(({ paused }) => paused === null);
  const limits = inUse.flatMap((key) => leastImagesPerMinute(key, imagesPerCall) ?? []);
  const limit = limits.length === 0 ? null : limits.reduce((sum, rate) => sum + rate, 0);
  const measured = isBusy ? measuredPerMinute(images, now - busySince) : null;
  const stops = inUse.map((key) => Math.max(...key.limits.map(({ stoppedUntil }) => stoppedUntil ?? 0)));
  return {
    imagesPerMinute: limit ?? measured,
    imagesPerCall,
    startsAt: inUse.length === 0 || state.isStorageAway ? null : Math.max(state.restingUntil ?? 0, Math.min(...stops)),
  };
}

/** What one upstream key lets through; null when none of its limits is known. */
function leastImagesPerMinute({ limits }: LaneState['keys'][number], imagesPerCall: number): number | null {
  const rates = limits.flatMap(({ rates: { images, requests } }) => [
    ...(images === null ? [] : [images.limit]),
    ...(requests === null ? [] : [requests.limit * imagesPerCall]),
  ]);
  return rates.length === 0 ? null : Math.min(...rates);
}

/** The decayed count of a steady rate grows towards that rate; this undoes how far it still has to go. */
function measuredPerMinute(counted: number, measuredMs: number): number | null {
  if (measuredMs < LEAST_MEASURED_MS) return null;
  return (counted * (60_000 / THROUGHPUT_MS)) / (1 - Math.exp(-measuredMs / THROUGHPUT_MS));
}
