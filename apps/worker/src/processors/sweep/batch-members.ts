// Jobs that have ended, or are no longer kept, and for which their batch still waits: it would never end.
import { loadScript, runScript } from '@darkroom/shared/base/redis.ts';
import type { Deps } from '../../deps.ts';
import { reportRepair } from './repair.ts';
import { takeTurn } from './turn.ts';

const DROP_MEMBERS = loadScript(import.meta.url, 'lua/drop-members.lua');
const EVERY_MS = 10_000;
const MEMBERS_AT_ONCE = 200;

export async function sweepBatchMembers(deps: Deps): Promise<void> {
  const { redis, keys } = deps;
  if (!(await takeTurn(deps, 'batch-members', EVERY_MS))) return;
  for (const batchId of await redis.zrange(keys.openBatches, '0', '-1')) {
    for await (const found of redis.sscanStream(keys.batchOpenJobs(batchId), { count: MEMBERS_AT_ONCE }))
      await dropOver(deps, batchId, found as string[]);
  }
}

async function dropOver(deps: Deps, batchId: string, ids: readonly string[]): Promise<void> {
  const { redis, keys } = deps;
  if (ids.length === 0) return;
  const names = [keys.batchOpenJobs(batchId), ...ids.map((id) => keys.job(id))];
  const dropped = (await runScript(redis, DROP_MEMBERS, names, ids)) as string[];
  reportRepair(deps, 'batch_member', dropped.length, { batchId, jobIds: dropped });
}
