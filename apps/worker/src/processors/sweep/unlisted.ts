// Things that wait and stand on no list a worker looks at. No step leaves such, but what a lost or mended Redis has come
// back with may. Nothing leads to them, so all keys are walked through, a step a second, by one worker at a time; each
// find is put on its list, from which the usual ways take it on.
import { loadScript, runScript } from '@darkroom/shared/base/redis.ts';
import { readStatuses } from '@darkroom/shared/jobs/store.ts';
import type { Deps } from '../../deps.ts';
import { type RepairKind, reportRepair } from './repair.ts';
import { extendTurn, takeTurn } from './turn.ts';

const LIST_JOB = loadScript(import.meta.url, 'lua/list-job.lua');
const LIST_BATCH = loadScript(import.meta.url, 'lua/list-batch.lua');
const LIST_HOST = loadScript(import.meta.url, 'lua/list-host.lua');
/** They take Redis 0.4 ms (1,000 take 5): a million keys are walked through in little over an hour, at next to no cost. */
const KEYS_A_STEP = 250;
const STEP_TURN_MS = 900;
const ROUND_TURN_MS = 60_000;
const PART = 'unlisted';

export async function sweepUnlisted(deps: Deps): Promise<void> {
  const { redis, keys } = deps;
  if (!(await takeTurn(deps, PART, STEP_TURN_MS))) return;
  const pattern = `${keys.queuePrefix}:*`;
  const from = (await redis.get(keys.sweepCursor)) ?? '0';
  const [cursor, found] = await redis.scan(from, 'MATCH', pattern, 'COUNT', KEYS_A_STEP);
  await mend(deps, groupsOf(found, keys.queuePrefix));
  await redis.set(keys.sweepCursor, cursor);
  if (cursor === '0') await extendTurn(deps, PART, ROUND_TURN_MS);
}

interface Groups {
  readonly jobs: readonly string[];
  readonly batches: readonly string[];
  /** Hosts that events wait for. */
  readonly outboxes: readonly string[];
  /** Hosts that deliveries wait for. */
  readonly receivers: readonly string[];
  /** Whole keys. */
  readonly leases: readonly string[];
}

function groupsOf(found: readonly string[], root: string): Groups {
  const inside = found.map((key) => key.slice(root.length + 1));
  const named = (pattern: RegExp): string[] => [...new Set(inside.flatMap((key) => pattern.exec(key)?.[1] ?? []))];
  return {
    jobs: named(/^job:([^:]+)$/),
    batches: named(/^batch:([^:]+)$/),
    outboxes: named(/^outbox:(.+)$/),
    receivers: named(/^receiver:(.+):(?:waiting|queued)$/),
    leases: named(/^(leases:.+)$/).map((key) => `${root}:${key}`),
  };
}

async function mend(deps: Deps, groups: Groups): Promise<void> {
  const { redis, keys } = deps;
  await relist(deps, 'job_listed', await openAmong(deps, groups.jobs), keys.openJobs, (id) =>
    runScript(redis, LIST_JOB, [keys.openJobs, keys.job(id)], [id]),
  );
  await relist(deps, 'batch_listed', groups.batches, keys.openBatches, (id) =>
    runScript(redis, LIST_BATCH, [keys.openBatches, keys.batch(id)], [id]),
  );
  await relist(deps, 'outbox_listed', groups.outboxes, keys.outbox, (host) =>
    runScript(redis, LIST_HOST, [keys.outbox, keys.outboxOf(host)], [host]),
  );
  await relist(deps, 'receiver_listed', groups.receivers, keys.receivers, (host) => {
    const receiver = keys.receiver(host);
    return runScript(redis, LIST_HOST, [keys.receivers, `${receiver}:waiting`, `${receiver}:queued`], [host]);
  });
  // Leases end by Redis' clock: one of our own that is fast would end those of calls under way.
  const [seconds] = await redis.time();
  for (const key of groups.leases)
    reportRepair(deps, 'lease', await redis.zremrangebyscore(key, '-inf', Number(seconds) * 1_000), { key });
}

async function openAmong({ redis, keys }: Deps, ids: readonly string[]): Promise<string[]> {
  const statuses = await readStatuses(redis, keys, ids);
  return ids.filter((_, index) => statuses[index] === 'queued' || statuses[index] === 'in_progress');
}

/** `list` looks again and answers 1 when it has put the member back on its list. */
async function relist(
  deps: Deps,
  kind: RepairKind,
  members: readonly string[],
  key: string,
  list: (member: string) => Promise<unknown>,
): Promise<void> {
  if (members.length === 0) return;
  const scores = await deps.redis.zmscore(key, ...members);
  for (const member of members.filter((_, index) => scores[index] === null))
    reportRepair(deps, kind, (await list(member)) as number, { id: member });
}
