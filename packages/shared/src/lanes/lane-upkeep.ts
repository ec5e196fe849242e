// Upkeep of the lanes' books, as typed functions over the Lua steps: what is over is forgotten, priorities stay within
// BullMQ's range, counters that drifted are set right. All of it is safe to repeat and to run beside everything else.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { loadScript, runScript } from '../base/redis.ts';
import { LANES } from '../models/rules.ts';
import { LAST_PRIORITY, waitingItemsKey } from '../queues/call-queue.ts';
import { laneQueueKey } from './read-lanes.ts';

const TIDY = loadScript(import.meta.url, 'lua/tidy-lane.lua');
const REORDER = loadScript(import.meta.url, 'lua/reorder-items.lua');
const RECOUNT = loadScript(import.meta.url, 'lua/recount-open.lua');

/** Tags may go as far past the lane's virtual time again before the last priority is reached. */
const REBASE_AFTER = 1_000_000;
/** One step of these takes Redis some 5 ms. */
const ITEMS_A_STEP = 500;
const JOBS_TO_COUNT = 1_000;

export interface TidiedLane {
  /** The lane is empty: its order begins anew. */
  readonly isCleared: boolean;
  readonly flowsPruned: number;
  /** Since its base was moved on, ms; null = never. */
  readonly rebasedAgoMs: number | null;
}

/** `rebaseAfter`: how far the virtual time may go before priorities are counted from it. */
export async function tidyLane(
  redis: Redis,
  keys: Keys,
  lane: string,
  rebaseAfter = REBASE_AFTER,
): Promise<TidiedLane> {
  const books = [keys.lane(lane), waitingItemsKey(keys, lane)];
  const [cleared, pruned, rebasedAgoMs] = (await runScript(redis, TIDY, books, [rebaseAfter])) as [
    number,
    number,
    number,
  ];
  return {
    isCleared: cleared === 1,
    flowsPruned: pruned,
    rebasedAgoMs: rebasedAgoMs < 0 ? null : rebasedAgoMs,
  };
}

/** Gives every item of the lane the priority of its tag. Returns how many waiting ones had another. */
export async function reorderItems(redis: Redis, keys: Keys, lane: string): Promise<number> {
  const sets = [waitingItemsKey(keys, lane), laneQueueKey(keys, lane, 'delayed'), laneQueueKey(keys, lane, 'active')];
  let changed = 0;
  for (let behind = ''; ; ) {
    const [last, seen, now] = (await runScript(
      redis,
      REORDER,
      [keys.lane(lane), ...sets],
      [laneQueueKey(keys, lane, ''), behind, ITEMS_A_STEP, LAST_PRIORITY],
    )) as [string, number, number];
    changed += now;
    if (seen < ITEMS_A_STEP) return changed;
    behind = last;
  }
}

/** Sets the counters of open calls right; null when too many jobs are open to count them at once. Returns how many were wrong. */
export async function recountOpenCalls(redis: Redis, keys: Keys): Promise<number | null> {
  const books = [keys.openJobs, ...LANES.map((lane) => keys.lane(lane))];
  const wrong = (await runScript(redis, RECOUNT, books, [keys.job(''), JOBS_TO_COUNT, ...LANES])) as number;
  return wrong < 0 ? null : wrong;
}
