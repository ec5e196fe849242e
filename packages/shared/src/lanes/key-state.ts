// The upstream keys in use and what the workers keep of each: why it is paused, what limits it has. Never a key itself.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import type { ToldLimits } from '../base/variables.ts';
import { laneOf, limitNamesOf } from '../models/rules.ts';
import { repliesOf } from './replies-of.ts';

/** Why and since when a key is paused. Times in ms. */
export interface KeyPause {
  readonly since: number;
  readonly nextProbeAt: number;
  /** A call is under way that shows whether the key works again. */
  readonly isProbing: boolean;
  readonly error: {
    readonly status: number;
    readonly type: string;
    readonly code: string | null;
    readonly message: string;
  };
}

export interface KeyFacts {
  readonly name: string;
  /** Of its base URL; null when no worker has said. */
  readonly host: string | null;
  readonly paused: KeyPause | null;
  /** By limit name. */
  readonly told: ToldLimits;
  /** Model → a further limit the upstream has named for it. */
  readonly named: Hash;
}

export type Hash = Readonly<Record<string, string>>;

/** A key no worker has had for this long is not in use any more. */
const KEY_SEEN_MS = 60_000;
const DEFAULT_KEY = 'default';

/** Redis' clock, ms, and the names of the keys workers had a moment ago; of all that are known when none works now. */
export async function readKeyNames(redis: Redis, keys: Keys): Promise<{ now: number; names: string[] }> {
  const pipeline = redis.pipeline().time().zrange(keys.upstreamKeys, '0', '-1', 'WITHSCORES');
  const [time, flat] = (await repliesOf(pipeline)) as [[string, string], string[]];
  const now = Number(time[0]) * 1_000 + Math.floor(Number(time[1]) / 1_000);
  const known = Array.from({ length: flat.length / 2 }, (_, index) => ({
    name: flat[index * 2] ?? '',
    seenAt: Number(flat[index * 2 + 1]),
  }));
  const recent = known.filter(({ seenAt }) => seenAt > now - KEY_SEEN_MS);
  const names = (recent.length > 0 ? recent : known).map(({ name }) => name);
  return { now, names: names.length > 0 ? names.sort() : [DEFAULT_KEY] };
}

export async function readKeyFacts(
  redis: Redis,
  keys: Keys,
  names: readonly string[],
  now: number,
): Promise<KeyFacts[]> {
  const pipeline = redis.pipeline();
  for (const name of names) pipeline.hgetall(keys.upstreamKey(name)).hgetall(keys.limitNames(name));
  const replies = (await repliesOf(pipeline)) as Hash[];
  return names.map((name, index) => {
    const hash = replies[index * 2] ?? {};
    const told = hash['told'] === undefined ? {} : (JSON.parse(hash['told']) as ToldLimits);
    return { name, host: hash['host'] ?? null, paused: toPause(hash, now), told, named: replies[index * 2 + 1] ?? {} };
  });
}

function toPause(hash: Hash, now: number): KeyPause | null {
  const { paused } = hash;
  if (paused === undefined) return null;
  return {
    since: Number(hash['pausedAt'] ?? now),
    nextProbeAt: Number(hash['probeAt'] ?? now),
    isProbing: Number(hash['probingUntil'] ?? 0) > now,
    error: JSON.parse(paused) as KeyPause['error'],
  };
}

/** The limits that hold for a lane's models under a key: the model's, its family's, and those the upstream has named. */
export function limitsOf({ named }: Pick<KeyFacts, 'named'>, lane: string): string[] {
  const learned = Object.entries(named).flatMap(([model, name]) => (laneOf(model) === lane ? [name] : []));
  return [...new Set([...limitNamesOf(lane), ...learned])];
}
