// Upstream keys whose host can't be reached or is broken: a call that fails at once is never under way for long, so such a key
// would be the freest of all and draw the work of the others to itself. It is set aside for a while, for all workers.
import type { Keys } from '@darkroom/shared/base/keys.ts';
import { loadScript, runScript } from '@darkroom/shared/base/redis.ts';
import type { Redis } from 'ioredis';
import type { UsedPermit } from './learning.ts';

const NOTE_FAILURE = loadScript(import.meta.url, 'note-failure.lua');

/** Returns for how many ms the key is set aside; 0 when it is not, or others have said so before. */
export async function noteFailure(redis: Redis, keys: Keys, permit: UsedPermit, hasReplied: boolean): Promise<number> {
  const hash = keys.upstreamKey(permit.limits.key.name);
  return (await runScript(redis, NOTE_FAILURE, [hash], [permit.receipt.at, hasReplied ? 1 : 0])) as number;
}

/** The key has replied, to whichever call: also to one from before the failures. */
export async function forgetFailures(redis: Redis, keys: Keys, { limits }: UsedPermit): Promise<void> {
  await redis.hdel(keys.upstreamKey(limits.key.name), 'failures', 'failedAt', 'asideUntil', 'asideMs');
}
