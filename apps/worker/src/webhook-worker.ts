// The BullMQ worker of the webhook queue. An item is done when its try is recorded; when to try again lies in Redis, so
// nothing here ever moves an item.
import { WEBHOOK_ITEM_NAME, WEBHOOK_QUEUE, type WebhookItem } from '@darkroom/shared/queues/webhook-queue.ts';
import { type Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Deps } from './deps.ts';
import { type DeliverDeps, deliverWebhook } from './processors/webhooks/deliver-webhook.ts';

/** Tries under way in one process: waiting for a socket costs little, and each host has at most its own few. */
const CONCURRENCY = 256;
/** How long a dead worker keeps its tries from the others, ms; twice the longest try. A repeat costs nothing here. */
const LOCK_DURATION_MS = 30_000;

export interface WebhookWorker {
  /** Begins no new tries; resolves when those under way are recorded. */
  stop(): Promise<void>;
}

type WorkerDeps = DeliverDeps & Pick<Deps, 'config' | 'keys'>;

export function startWebhookWorker(deps: WorkerDeps, connection: Redis): WebhookWorker {
  const lockDuration = Math.min(LOCK_DURATION_MS, deps.config.LOCK_DURATION_MS);
  const worker = new Worker<WebhookItem>(
    WEBHOOK_QUEUE,
    async (job: Job<WebhookItem>) => {
      if (job.name !== WEBHOOK_ITEM_NAME) throw new TypeError(`no handler for item ${job.name} of the webhook queue`);
      await deliverWebhook(deps, job.data);
    },
    {
      connection,
      prefix: deps.keys.queuePrefix,
      concurrency: CONCURRENCY,
      lockDuration,
      stalledInterval: Math.ceil(lockDuration / 4),
      maxStalledCount: 3,
      drainDelay: 1,
    },
  );
  worker.on('error', (error) => deps.log.warn({ err: error }, 'webhook worker'));
  worker.on('failed', (job, error) =>
    deps.log.error({ err: error, item: job?.id }, 'webhook item failed; its delivery will be queued again'),
  );
  return { stop: () => worker.close() };
}
