// Whether calls can go out at all: the upstream keys, and what the workers' governor keeps of each while it is paused
// (apps/worker/src/governor/pause-key.lua writes it).
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';

/** Of a system whose workers have not said yet which keys they have. */
const ONLY_KEY = 'default';
/** A key no worker has had for this long is not in use; they say so every 15 s. */
const SEEN_MS = 60_000;

/**
 * A probe is due and nobody makes it when this long has passed since: no call is waiting that could be it, and only new
 * work can show that the key is accepted again.
 */
const PROBE_LATE_MS = 10_000;

/** Why a key is paused: the upstream's own error. */
export interface Pause {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly message: string;
}

/** Why no call can go out: one key's error when all are paused; null when one is not, or waits for a call to probe it. */
export async function readPause(redis: Redis, keys: Keys, now: number): Promise<Pause | null> {
  const names = await readNames(redis, keys, now);
  const pauses = await Promise.all(names.map((name) => readPauseOf(redis, keys.upstreamKey(name), now)));
  return pauses.every((pause) => pause !== null) ? (pauses[0] ?? null) : null;
}

/** The keys workers had a moment ago; all that are known when no worker is there. */
async function readNames(redis: Redis, keys: Keys, now: number): Promise<readonly string[]> {
  const flat = await redis.zrange(keys.upstreamKeys, '0', '-1', 'WITHSCORES');
  const known = flat.flatMap((name, index) => (index % 2 === 0 ? [{ name, seenAt: Number(flat[index + 1]) }] : []));
  const recent = known.filter(({ seenAt }) => seenAt > now - SEEN_MS);
  const names = (recent.length > 0 ? recent : known).map(({ name }) => name);
  return names.length > 0 ? names : [ONLY_KEY];
}

async function readPauseOf(redis: Redis, hash: string, now: number): Promise<Pause | null> {
  const [paused, probeAt, probingUntil] = await redis.hmget(hash, 'paused', 'probeAt', 'probingUntil');
  if (paused === null || paused === undefined) return null;
  const isProbed = Number(probingUntil ?? 0) > now;
  const isProbeLate = probeAt !== null && probeAt !== undefined && Number(probeAt) + PROBE_LATE_MS < now;
  return isProbeLate && !isProbed ? null : (JSON.parse(paused) as Pause);
}
