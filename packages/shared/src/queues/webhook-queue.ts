// The queue of webhook tries that may be made now. What waits (a retry, a host that rests) lies in Redis beside it, see
// webhooks/lua/lib.lua; an item names an event and its turn and carries nothing else, so it may vanish or come twice.
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';

export interface WebhookItem {
  readonly eventId: string;
  /** How often the event was queued; an item of an earlier turn does nothing. */
  readonly turn: number;
}

export const WEBHOOK_QUEUE = 'webhooks';
export const WEBHOOK_ITEM_NAME = 'delivery';

export interface WebhookQueue {
  /** An item that is there already stays as it is. */
  add(items: readonly WebhookItem[]): Promise<void>;
  close(): Promise<void>;
}

export function openWebhookQueue(redis: Redis, keys: Keys, onError: (error: Error) => void): WebhookQueue {
  const queue = new Queue<WebhookItem>(WEBHOOK_QUEUE, {
    connection: redis,
    prefix: keys.queuePrefix,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true, stackTraceLimit: 3 },
    streams: { events: { maxLen: 100 } },
  });
  queue.on('error', onError);
  return {
    async add(items) {
      if (items.length === 0) return;
      await queue.addBulk(
        items.map((item) => ({
          name: WEBHOOK_ITEM_NAME,
          data: item,
          opts: { jobId: `${item.eventId}-${item.turn}` },
        })),
      );
    },
    close: () => queue.close(),
  };
}
