// Whether calls can go out at all: the upstream keys, and what the workers' governor keeps of each while it is paused
// (apps/worker/src/governor/pause-key.lua writes it).
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';

/** The upstream keys there are; calls go out under any of them. */
const UPSTREAM_KEYS: readonly string[] = ['default'];

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

/** Why no call can go out: the first key's error when all are paused; null when one is not, or waits for a call to probe it. */
export async function readPause(redis: Redis, keys: Keys, now: number): Promise<Pause | null> {
  const pauses = await Promise.all(UPSTREAM_KEYS.map((key) => readPauseOf(redis, keys.upstreamKey(key), now)));
  return pauses.every((pause) => pause !== null) ? (pauses[0] ?? null) : null;
}

async function readPauseOf(redis: Redis, hash: string, now: number): Promise<Pause | null> {
  const [paused, probeAt, probingUntil] = await redis.hmget(hash, 'paused', 'probeAt', 'probingUntil');
  if (paused === null || paused === undefined) return null;
  const isProbed = Number(probingUntil ?? 0) > now;
  const isProbeLate = probeAt !== null && probeAt !== undefined && Number(probeAt) + PROBE_LATE_MS < now;
  return isProbeLate && !isProbed ? null : (JSON.parse(paused) as Pause);
}
