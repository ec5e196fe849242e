// The lanes: one BullMQ queue per model of the rules, `other` for unknown models. An item names a call and carries
// nothing else; the record in Redis is the truth, so an item may vanish or come twice.
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { itemIdOf } from '../base/ids.ts';
import type { Keys } from '../base/keys.ts';
import { LANES } from '../models/rules.ts';
import type { Priority } from '../requests/submission.ts';

export interface CallItem {
  readonly jobId: string;
  readonly call: number;
  readonly run: number;
}

/** BullMQ runs lower numbers first; items without a priority would overtake all others, so every item has one. */
const PRIORITY: Readonly<Record<Priority, number>> = { high: 1_000, normal: 2_000, low: 3_000 };

export const ITEM_NAME = 'call';

export function laneQueueName(lane: string): string {
  return `calls-${lane}`;
}

/** Redis key of an item's lock: BullMQ's own layout, checked by an integration test. */
export function itemLockKey(keys: Keys, lane: string, itemId: string): string {
  return `${keys.queuePrefix}:${laneQueueName(lane)}:${itemId}:lock`;
}

export interface CallQueues {
  add(lane: string, priority: Priority, items: readonly CallItem[]): Promise<void>;
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
    async add(lane, priority, items) {
      const jobs = items.map((item) => ({
        name: ITEM_NAME,
        data: item,
        opts: { jobId: itemIdOf(item.jobId, item.call, item.run), priority: PRIORITY[priority] },
      }));
      const [only] = jobs;
      // A transaction costs the client more than the step itself, and most jobs have one call.
      if (jobs.length === 1 && only !== undefined) await queue(lane).add(only.name, only.data, only.opts);
      else await queue(lane).addBulk(jobs);
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
