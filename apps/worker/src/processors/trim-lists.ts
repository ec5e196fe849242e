// Ended jobs vanish by themselves when their retention is over; this takes their ids off the accounts' lists.
import type { Deps } from '../deps.ts';

const IDS_A_STEP = 100;

/** Removes vanished jobs from the old end of each account's list, up to the first that is still there. */
export async function trimLists(deps: Deps): Promise<number> {
  let removed = 0;
  for (const account of await deps.redis.smembers(deps.keys.accounts))
    removed += await trimList(deps, deps.keys.accountJobs(account));
  return removed;
}

async function trimList(deps: Deps, list: string): Promise<number> {
  for (let removed = 0; ; ) {
    const oldest = await deps.redis.zrange(list, '0', String(IDS_A_STEP - 1));
    const isThere = await Promise.all(oldest.map((id) => deps.redis.exists(deps.keys.job(id))));
    const vanished = oldest.filter((_, index) => isThere[index] === 0);
    if (vanished.length > 0) removed += await deps.redis.zrem(list, ...vanished);
    if (vanished.length < IDS_A_STEP) return removed;
  }
}
