// An operator's word that a lane may go on: typed over its Lua step.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { loadScript, runScript } from '../base/redis.ts';
import { LANES } from '../models/rules.ts';
import { burstMsOf } from './burst.ts';
import { limitsOf, readKeyFacts, readKeyNames } from './key-state.ts';
import { laneQueueKey } from './read-lanes.ts';

const RESUME = loadScript(import.meta.url, 'lua/resume-lane.lua');

/**
 * Ends stops of the lane's limits and pauses of the upstream keys, which other lanes may share, and wakes the workers.
 * Returns how many it ended; repeating it ends none.
 */
export async function resumeLane(redis: Redis, keys: Keys, lane: string): Promise<number> {
  const { now, names } = await readKeyNames(redis, keys);
  const upstreamKeys = await readKeyFacts(redis, keys, names, now);
  const buckets = upstreamKeys.flatMap((key) =>
    limitsOf(key, lane).map((name) => ({
      hash: keys.bucket(key.name, name),
      name: `${key.name} ${name}`,
      burstMs: burstMsOf(key.told[name]),
    })),
  );
  const ended = await runScript(
    redis,
    RESUME,
    [
      ...names.map((name) => keys.upstreamKey(name)),
      ...buckets.map(({ hash }) => hash),
      ...LANES.map((one) => laneQueueKey(keys, one, 'limiter')),
    ],
    [
      names.length,
      buckets.length,
      keys.limitChanges,
      ...names,
      ...buckets.map(({ name }) => name),
      ...buckets.map(({ burstMs }) => burstMs),
    ],
  );
  return ended as number;
}
