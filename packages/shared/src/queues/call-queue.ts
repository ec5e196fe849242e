// The lanes: one BullMQ queue per model of the rules, `other` for unknown models. An item names a call and its place in the
// lane's order, and carries nothing else; the record in Redis is the truth, so an item may vanish or come twice. Places are
// given by jobs/lua/lane.lua.
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { itemIdOf } from '../base/ids.ts';
import type { Keys } from '../base/keys.ts';
import { LANES } from '../models/rules.ts';

export interface CallItem {
  readonly jobId: string;
  readonly call: number;
  readonly run: number;
  /** Its place among all calls the lane ever had; absent in items queued before there were places. */
  readonly tag?: number;
}

export interface PlacedItem extends CallItem {
  readonly tag: number;
  /** BullMQ runs lower numbers first; items without a priority would overtake all others, so every item has one. */
  readonly priority: number;
}

/** BullMQ's. */
export const LAST_PRIORITY = 2_097_151;

/** The priority of a tag while the lane counts from `base`. What lies beyond the last one waits in the order it came. */
export function priorityOf(tag: number, base: number): number {
  return Math.max(1, Math.min(LAST_PRIORITY, tag - base));
}

export const ITEM_NAME = 'call';

export function laneQueueName(lane: string): string {
  return `calls-${lane}`;
}

/** Redis key of an item's lock: BullMQ's own layout, checked by an integration test. */
export function itemLockKey(keys: Keys, lane: string, itemId: string): string {
  return `${keys.queuePrefix}:${laneQueueName(lane)}:${itemId}:lock`;
}

/** ZSET of a lane's waiting items in their order, by priority · 2^32: BullMQ's own layout, checked like `itemLockKey`. */
export function waitingItemsKey(keys: Keys, lane: string): string {
  return `${keys.queuePrefix}:${laneQueueName(lane)}:prioritized`;
}

export interface CallQueues {
  add(lane: string, items: readonly PlacedItem[]): Promise<void>;
  /** Removes items that have not started; those under way stay. */
  remove(lane: string, items: readonly CallItem[]): Promise<void>;
  /** Which of the items are in their queue, in the same order. */
  exist(lane: string, items: readonly CallItem[]): Promise<boolean[]>;
  /** Items waiting in a lane, delayed ones included. */
  depth(lane: string): Promise<number>;
  queue(lane: string): Queue<CallItem>;
  close(): Promise<void>;
}

export function openCallQueues(redis: Redis, keys: Keys): CallQueues {
  const queues = new Map<string, Queue<CallItem>>();
  const queue = (lane: string): Queue<CallItem> => {
    const known = queues.get(lane);
    if (known) return known;
    if (!LANES.includes(lane)) throw new TypeError(`no such lane: ${lane}`);
    const opened = new Queue<CallItem>(laneQueueName(lane), {
      connection: redis,
      prefix: keys.queuePrefix,
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true, stackTraceLimit: 3 },
      streams: { events: { maxLen: 100 } },
    });
    queues.set(lane, opened);
    return opened;
  };
  return {
    queue,
    async add(lane, items) {
      const jobs = items.map(({ priority, ...item }) => ({
        name: ITEM_NAME,
        data: item,
        opts: { jobId: itemIdOf(item.jobId, item.call, item.run), priority },
      }));
      const [only] = jobs;
      // A transaction costs the client more than the step itself, and most jobs have one call.
      if (jobs.length === 1 && only !== undefined) await queue(lane).add(only.name, only.data, only.opts);
      else if (jobs.length > 1) await queue(lane).addBulk(jobs);
    },
    async remove(lane, items) {
      await Promise.all(items.map((item) => queue(lane).remove(itemIdOf(item.jobId, item.call, item.run))));
    },
    exist(lane, items) {
      return Promise.all(
        items.map(async (item) => {
          const key = `${keys.queuePrefix}:${laneQueueName(lane)}:${itemIdOf(item.jobId, item.call, item.run)}`;
          return (await redis.exists(key)) === 1;
        }),
      );
    },
    async depth(lane) {
      const counts = await queue(lane).getJobCounts('waiting', 'prioritized', 'delayed');
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
    async close() {
      await Promise.all([...queues.values()].map((opened) => opened.close()));
    },
  };
}
