// Upstream keys that are refused (401, quota, billing): paused for all workers, probed by one call, resumed.
import type { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { Keys } from '@darkroom/shared/base/keys.ts';
import { loadScript, runScript } from '@darkroom/shared/base/redis.ts';
import { laneQueueKey } from '@darkroom/shared/lanes/read-lanes.ts';
import { LANES } from '@darkroom/shared/models/rules.ts';
import type { Redis } from 'ioredis';

const PAUSE_KEY = loadScript(import.meta.url, 'pause-key.lua');
const PUT_OFF_PROBE = loadScript(import.meta.url, 'put-off-probe.lua');
const RESUME_KEY = loadScript(import.meta.url, 'resume-key.lua');

const FIRST_PROBE_MS = 30_000;
const LONGEST_PROBE_MS = 600_000;

/** A refused call. */
export interface RefusedCall {
  readonly isProbe: boolean;
  /** When it might start, ms of Redis' clock. */
  readonly start: number;
}

/** Returns ms until the next probe; 0 = the key was resumed since the call might start, and is not paused by it. */
export async function pauseKey(
  redis: Redis,
  keys: Keys,
  name: string,
  { status, type, code, message }: ServiceError,
  { isProbe, start }: RefusedCall,
): Promise<number> {
  const facts = JSON.stringify({ status, type, code, message });
  return (await runScript(
    redis,
    PAUSE_KEY,
    [keys.upstreamKey(name)],
    [facts, FIRST_PROBE_MS, LONGEST_PROBE_MS, isProbe ? 1 : 0, keys.limitChanges, name, start],
  )) as number;
}

/** The next probe comes as late as this one did; nothing when the key is not paused. */
export async function putOffProbe(redis: Redis, keys: Keys, name: string): Promise<void> {
  await runScript(redis, PUT_OFF_PROBE, [keys.upstreamKey(name)], []);
}

/** Lanes that rest go on, on all workers. Whether it was paused. */
export async function resumeKey(redis: Redis, keys: Keys, name: string): Promise<boolean> {
  const rests = LANES.map((lane) => laneQueueKey(keys, lane, 'limiter'));
  return (await runScript(redis, RESUME_KEY, [keys.upstreamKey(name), ...rests], [keys.limitChanges, name])) === 1;
}
