// How the lanes are doing, for the operator: what waits, what starts, and what every limit of every upstream key allows.
// A few round trips whatever there is, of cheap reads; the books are those of the job steps (jobs/lua/lane.lua), of the
// governor and of BullMQ, and nothing is changed here.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { laneQueueName, priorityOf, waitingItemsKey } from '../queues/call-queue.ts';
import { type Hash, type KeyFacts, type KeyPause, limitsOf, readKeyFacts, readKeyNames } from './key-state.ts';
import { type LimitState, toLimitState } from './limit-state.ts';
import { repliesOf } from './replies-of.ts';

/** An upstream key as far as one lane is concerned. */
export interface KeyState {
  readonly name: string;
  readonly host: string | null;
  readonly paused: KeyPause | null;
  readonly limits: readonly LimitState[];
}

export interface LaneState extends LaneCounts {
  readonly id: string;
  /** All times here are of Redis' clock, ms; this is when it was read. */
  readonly readAt: number;
  readonly keys: readonly KeyState[];
  /** A worker says so: nothing starts until it is back, and nobody knows when. */
  readonly isStorageAway: boolean;
}

interface LaneCounts {
  readonly waiting: number;
  readonly delayed: number;
  readonly active: number;
  readonly openCalls: number;
  /** Most calls first. */
  readonly openByAccount: readonly (readonly [account: string, calls: number])[];
  /** Waiting items that go before a new call of normal priority of an account that has nothing in line. */
  readonly ahead: number;
  /** Since when calls have waited without a break, or gone on after a long stop, ms; null = never. */
  readonly busySince: number | null;
  /** When a call was last sent, ms; null = never. */
  readonly lastStartedAt: number | null;
  /** Sent and not refused, measured over about the last minute. */
  readonly startedPerMinute: { readonly calls: number; readonly images: number };
  /** How many of these images have been sent since `busySince`. */
  readonly imagesWhileBusy: number;
  /** The workers take nothing from the lane until then, ms; null when they do. */
  readonly restingUntil: number | null;
}

/** Decay of the lane's counts, see jobs/lua/lane.lua. */
const THROUGHPUT_MS = 60_000;
/** Of a call of one image of normal priority, as there. */
const NORMAL_COST = 4;
/** BullMQ orders by priority, then by a count. */
const SCORES_A_PRIORITY = 2 ** 32;
/** BullMQ counts starts in the same place where a rest is kept; only a rest is as large as this. */
const RESTS_FROM = 1_000_000_000;

/** The given lanes, in their order. */
export async function readLanes(redis: Redis, keys: Keys, lanes: readonly string[]): Promise<LaneState[]> {
  const { now, names } = await readKeyNames(redis, keys);
  const [upstreamKeys, counts, away] = await Promise.all([
    readKeyFacts(redis, keys, names, now),
    readCounts(redis, keys, lanes, now),
    redis.exists(keys.storageAway),
  ]);
  const limitOf = await readLimits(redis, keys, upstreamKeys, lanes, now);
  return counts.map(({ id, ...lane }) => ({
    id,
    readAt: now,
    ...lane,
    isStorageAway: away > 0,
    keys: upstreamKeys.map((key) => ({
      name: key.name,
      host: key.host,
      paused: key.paused,
      limits: limitsOf(key, id).map((name) => limitOf(key, name)),
    })),
  }));
}

/** Of what BullMQ keeps of a lane; its own layout, checked by an integration test. */
export function laneQueueKey(keys: Keys, lane: string, part: string): string {
  return `${keys.queuePrefix}:${laneQueueName(lane)}:${part}`;
}

type Counts = [Hash, number, number, number, number, string | null, number];

async function readCounts(
  redis: Redis,
  keys: Keys,
  lanes: readonly string[],
  now: number,
): Promise<(LaneCounts & { readonly id: string })[]> {
  const pipeline = redis.pipeline();
  for (const id of lanes) {
    pipeline
      .hgetall(keys.lane(id))
      .llen(laneQueueKey(keys, id, 'wait'))
      .zcard(waitingItemsKey(keys, id))
      .zcard(laneQueueKey(keys, id, 'delayed'))
      .llen(laneQueueKey(keys, id, 'active'))
      .get(laneQueueKey(keys, id, 'limiter'))
      .pttl(laneQueueKey(keys, id, 'limiter'));
  }
  const replies = await repliesOf(pipeline);
  const counts = lanes.map((_, index) => replies.slice(index * 7, index * 7 + 7) as Counts);
  const ahead = await readAhead(redis, keys, lanes, counts);
  return lanes.map((id, index) => ({ id, ahead: ahead[index] ?? 0, ...toCounts(counts[index] as Counts, now) }));
}

async function readAhead(
  redis: Redis,
  keys: Keys,
  lanes: readonly string[],
  counts: readonly Counts[],
): Promise<number[]> {
  const pipeline = redis.pipeline();
  for (const [index, lane] of lanes.entries()) {
    const books = counts[index]?.[0] ?? {};
    const priority = priorityOf(Number(books['v'] ?? 0) + NORMAL_COST, Number(books['base'] ?? 0));
    pipeline.zcount(waitingItemsKey(keys, lane), '-inf', `(${(priority + 1) * SCORES_A_PRIORITY}`);
  }
  return (await repliesOf(pipeline)) as number[];
}

function toCounts(
  [books, wait, prioritized, delayed, active, limiter, limiterMs]: Counts,
  now: number,
): Omit<LaneCounts, 'ahead'> {
  const busySince = timeOf(books, 'since');
  const lastStartedAt = timeOf(books, 'at');
  const left = (field: string, at: number | null) => decayed(Number(books[field] ?? 0), at ?? now, now);
  const images = left('images', lastStartedAt);
  return {
    waiting: wait + prioritized,
    delayed,
    active,
    openCalls: Number(books['open'] ?? 0),
    openByAccount: Object.entries(books)
      .filter(([field, calls]) => field.startsWith('open:') && Number(calls) > 0)
      .map(([field, calls]) => [field.slice('open:'.length), Number(calls)] as const)
      .sort(([, a], [, b]) => b - a),
    busySince,
    lastStartedAt,
    startedPerMinute: { calls: left('calls', lastStartedAt), images },
    imagesWhileBusy: Math.max(0, images - left('before', busySince)),
    restingUntil: Number(limiter ?? 0) >= RESTS_FROM && limiterMs > 0 ? now + limiterMs : null,
  };
}

function timeOf(books: Hash, field: string): number | null {
  const time = books[field];
  return time === undefined ? null : Number(time);
}

/** What is left at `now` of a count of `at`. */
function decayed(count: number, at: number, now: number): number {
  return count * Math.exp(Math.min(0, at - now) / THROUGHPUT_MS);
}

type LimitOf = (key: KeyFacts, name: string) => LimitState;

async function readLimits(
  redis: Redis,
  keys: Keys,
  upstreamKeys: readonly KeyFacts[],
  lanes: readonly string[],
  now: number,
): Promise<LimitOf> {
  const wanted = upstreamKeys.flatMap((key) =>
    [...new Set(lanes.flatMap((lane) => limitsOf(key, lane)))].map((name) => ({ key, name })),
  );
  const pipeline = redis.pipeline();
  for (const { key, name } of wanted)
    pipeline.hgetall(keys.bucket(key.name, name)).zcount(keys.leases(key.name, name), now, '+inf');
  const replies = await repliesOf(pipeline);
  const read = new Map(
    wanted.map(({ key, name }, index) => {
      const [bucket, inUse] = replies.slice(index * 2, index * 2 + 2) as [Hash, number];
      return [`${key.name} ${name}`, toLimitState(name, bucket, key.told[name], inUse, now)];
    }),
  );
  return (key, name) => read.get(`${key.name} ${name}`) ?? toLimitState(name, {}, key.told[name], 0, now);
}
