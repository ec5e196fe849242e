// Ended jobs and batches vanish by themselves when their retention is over; this takes their ids off the accounts' lists,
// and accounts without jobs off theirs.
import { loadScript, runScript } from '@darkroom/shared/base/redis.ts';
import type { Deps } from '../deps.ts';
import { reportRepair } from './sweep/repair.ts';

const FORGET_ACCOUNT = loadScript(import.meta.url, 'sweep/lua/forget-account.lua');
const IDS_A_STEP = 100;

/** Removes vanished ids from the old end of each account's lists, up to the first that is still there. */
export async function trimLists(deps: Deps): Promise<void> {
  const { redis, keys } = deps;
  for (const account of await redis.smembers(keys.accounts)) {
    const jobs = await trimList(deps, keys.accountJobs(account), (id) => keys.job(id));
    const batches = await trimList(deps, keys.accountBatches(account), (id) => keys.batch(id));
    reportRepair(deps, 'vanished_id', jobs + batches, { account, jobs, batches });
    const forgotten = await runScript(redis, FORGET_ACCOUNT, [keys.accounts, keys.accountJobs(account)], [account]);
    reportRepair(deps, 'account', forgotten as number, { account });
  }
}

async function trimList({ redis }: Deps, list: string, keyOf: (id: string) => string): Promise<number> {
  for (let removed = 0; ; ) {
    const oldest = await redis.zrange(list, '0', String(IDS_A_STEP - 1));
    const isThere = await Promise.all(oldest.map((id) => redis.exists(keyOf(id))));
    const vanished = oldest.filter((_, index) => isThere[index] === 0);
    if (vanished.length > 0) removed += await redis.zrem(list, ...vanished);
    if (vanished.length < IDS_A_STEP) return removed;
  }
}
