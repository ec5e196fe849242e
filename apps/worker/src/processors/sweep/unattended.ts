// Whether an attempt is open that nobody works on: the lock of its call's item has been missed for as long as a lock lives.
import { itemIdOf } from '@darkroom/shared/base/ids.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { type CallItem, itemLockKey } from '@darkroom/shared/queues/call-queue.ts';
import type { Deps } from '../../deps.ts';

/** How long it is remembered that a lock was missed, in locks; looks may be minutes apart. */
const REMEMBERED_LOCKS = 60;

/** True once: then, and when it is there in between, it is missed anew. The job is looked at again when there may be news. */
export async function isUnattended(deps: Deps, record: JobRecord, { call, run }: CallItem): Promise<boolean> {
  const { redis, keys, config } = deps;
  const { id, spec } = record;
  const seq = record.calls[call]?.open ?? 0;
  const isOurs = deps.underWay.endOf({ jobId: id, call, seq }) !== null;
  const isHeld = isOurs || (await redis.exists(itemLockKey(keys, spec.lane, itemIdOf(id, call, run)))) === 1;
  const key = keys.missedSince(id, call, seq);
  const now = Date.now();
  if (isHeld) await redis.del(key);
  else await redis.set(key, now, 'PX', config.LOCK_DURATION_MS * REMEMBERED_LOCKS, 'NX');
  const since = isHeld ? now : Number((await redis.get(key)) ?? now);
  const until = since + config.LOCK_DURATION_MS;
  if (now < until) {
    await redis.zadd(keys.openJobs, 'XX', 'LT', until, id);
    return false;
  }
  await redis.del(key);
  return true;
}
