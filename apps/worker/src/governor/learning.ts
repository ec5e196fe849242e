// What the governor makes of replies: limits and what is left of them, stops, slow-downs. Typed over the Lua steps.
import type { Keys } from '@darkroom/shared/base/keys.ts';
import { loadScript, runScript } from '@darkroom/shared/base/redis.ts';
import type { GateBucket } from '@darkroom/shared/jobs/paying-gate.ts';
import type { Redis } from 'ioredis';
import { type GovernedKeys, type LimitSet, toToldArgs } from './governed-keys.ts';
import { LEASE_MS } from './held-leases.ts';
import type { LimitKind, Observation } from './observation.ts';

const OBSERVE = loadScript(import.meta.url, 'working-rate.lua', 'bucket.lua', 'observe.lua');
const STOP_BUCKET = loadScript(import.meta.url, 'working-rate.lua', 'bucket.lua', 'stop-bucket.lua');
const SLOW_DOWN = loadScript(import.meta.url, 'working-rate.lua', 'bucket.lua', 'slow-down.lua');

/** A 429 stops its bucket at least this long: «retry after 0.0 seconds» has been seen (openai-images.md 4.1). */
const SHORTEST_STOP_MS = 1_000;
/** And at most: no limit is counted over more than a minute, but a page of the edge has asked for 15 hours. */
const LONGEST_STOP_MS = 600_000;

/** A permit that was used, as far as learning needs it. */
export interface UsedPermit {
  readonly model: string;
  readonly images: number;
  readonly tokens: number;
  readonly limits: LimitSet;
  readonly receipt: Receipt;
}

/** What acquire.lua keeps with a permit. */
export interface Receipt {
  /** When it was taken, and when its call may start; ms of Redis' clock. */
  readonly at: number;
  readonly start: number;
  readonly buckets: readonly ({ readonly epoch: number } & Omit<GateBucket, 'hash'>)[];
}

export interface Stop {
  readonly limit: string;
  readonly waitMs: number;
  /** What the upstream asked for; null when it did not say. */
  readonly toldMs: number | null;
  /** False when others have said so before. */
  readonly isNews: boolean;
}

export interface Learning {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly governed: GovernedKeys;
}

/** Limits and what is left of them, of any reply. No round trip when it says nothing. */
export async function learnLimits(learning: Learning, permit: UsedPermit, observation: Observation): Promise<void> {
  const named = namedLimit(permit, observation);
  const { refusedKind } = observation;
  const isNamed = (kind: string): boolean => named !== null && kind === refusedKind;
  await observeBucket(learning, permit, permit.limits.names, observation, (kind) => !isNamed(kind));
  if (named !== null) await observeBucket(learning, permit, [named], { ...observation, remaining: {} }, isNamed);
}

/** `names`: the bucket the facts are about, then others that may have to follow it up. */
async function observeBucket(
  { redis, governed }: Learning,
  { limits: { key }, receipt }: UsedPermit,
  names: readonly string[],
  { limits, remaining }: Pick<Observation, 'limits' | 'remaining'>,
  isMeant: (kind: string) => boolean,
): Promise<void> {
  const meant = <T>(facts: Partial<Record<LimitKind, T>>) =>
    Object.fromEntries(Object.entries(facts).filter(([kind]) => isMeant(kind)));
  const facts = { limits: meant(limits), remaining: meant(remaining), receipt };
  if (Object.keys(facts.limits).length === 0) return;
  await runScript(
    redis,
    OBSERVE,
    names.map((name) => governed.bucketOf(key, name)),
    [JSON.stringify(facts), ...names.flatMap((name) => toToldArgs(key.limits[name]))],
  );
}

/** The limit a 429 names, when it is not one of the model's own anyway. */
function namedLimit({ limits }: UsedPermit, { limitName }: Observation): string | null {
  return limitName === null || limitName === limits.names[0] ? null : limitName;
}

/** A 429: stops the bucket it is about for as long as told. `slow_down` tells nothing about a rate, so none is guessed. */
export async function stopBucket(
  learning: Learning,
  permit: UsedPermit,
  observation: Observation,
  isSlowDown: boolean,
): Promise<Stop> {
  const { redis, keys, governed } = learning;
  const { key, names, namesHash } = permit.limits;
  const own = governed.ownLimitOf(permit.model);
  const limit = namedLimit(permit, observation) ?? own;
  const further = names.includes(limit) ? '' : limit;
  const toldMs = observation.retryAfterMs;
  const waitMs = Math.min(LONGEST_STOP_MS, Math.max(SHORTEST_STOP_MS, Math.ceil(toldMs ?? SHORTEST_STOP_MS)));
  const isNews = await runScript(
    redis,
    STOP_BUCKET,
    [governed.bucketOf(key, limit), governed.bucketOf(key, own), namesHash],
    [
      waitMs,
      permit.images,
      permit.tokens,
      keys.limitChanges,
      `stopped ${key.name} ${limit}`,
      own,
      further,
      isSlowDown ? '' : (observation.refusedKind ?? 'images'),
      Math.ceil(toldMs ?? 0),
      ...toToldArgs(key.limits[limit]),
      permit.receipt.buckets[names.indexOf(limit)]?.epoch ?? '',
    ],
  );
  if (further !== '') governed.noteFurther(key, permit.model, further);
  return { limit, waitMs, toldMs, isNews: isNews === 1 };
}

/** `slow_down`: halves the calls under way of the model. Returns how many may be now; null when others have said so before. */
export async function slowDown({ redis, keys, governed }: Learning, permit: UsedPermit): Promise<number | null> {
  const { key } = permit.limits;
  const own = governed.ownLimitOf(permit.model);
  const cap = await runScript(
    redis,
    SLOW_DOWN,
    [governed.bucketOf(key, own), keys.leases(key.name, own)],
    [permit.receipt.at, LEASE_MS],
  );
  return cap === 0 ? null : Number(cap);
}
