// What deliveries are made with: the steps, the queue, the guarded agent, the secrets, the times.
import { DEFAULT_ACCOUNT } from '@darkroom/shared/accounts/accounts.ts';
import type { Keys } from '@darkroom/shared/base/keys.ts';
import { parseAllowPrivate } from '@darkroom/shared/net/address.ts';
import { type GuardedAgent, openGuardedAgent } from '@darkroom/shared/net/guard.ts';
import { openWebhookQueue, type WebhookQueue } from '@darkroom/shared/queues/webhook-queue.ts';
import { SCHEDULE_MS } from '@darkroom/shared/webhooks/schedule.ts';
import { buildWebhookSecrets, type WebhookSecrets } from '@darkroom/shared/webhooks/secrets.ts';
import { RECEIVER_LIMITS, type WebhookSteps } from '@darkroom/shared/webhooks/steps.ts';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { WorkerConfig } from './config.ts';

/** A delivery outlives its schedule (75.6 h) even where jobs are kept for less; contract section 7 promises its log. */
const SHORTEST_RETENTION_MS = 4 * 86_400_000;
const LONGEST_RETENTION_MS = 30 * 86_400_000;
const TIMEOUT_MS = 15_000;
const LOOK_EVERY_MS = 500;
const CONNECT_TIMEOUT_MS = 5_000;

export interface Webhooks {
  readonly steps: WebhookSteps;
  readonly queue: WebhookQueue;
  /** For callers' URLs: nothing private but what ALLOW_PRIVATE_URLS names. */
  readonly agent: GuardedAgent;
  readonly secrets: WebhookSecrets;
  /** Waits between tries, ms. */
  readonly scheduleMs: readonly number[];
  /** Longest try, ms, from connecting to the last byte of the reply. */
  readonly timeoutMs: number;
  /** How often every worker looks for what has become due, ms. */
  readonly lookEveryMs: number;
  close(): Promise<void>;
}

export function openWebhooks(config: WorkerConfig, redis: Redis, keys: Keys, log: Logger): Webhooks {
  const queue = openWebhookQueue(redis, keys, (error) => log.warn({ err: error }, 'webhook queue'));
  const agent = openGuardedAgent({
    allowPrivate: parseAllowPrivate(config.ALLOW_PRIVATE_URLS),
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    connectionsPerHost: RECEIVER_LIMITS.window,
  });
  const retentionMs = Math.min(LONGEST_RETENTION_MS, Math.max(SHORTEST_RETENTION_MS, config.JOB_RETENTION));
  return {
    steps: { redis, keys, limits: RECEIVER_LIMITS, retentionMs },
    queue,
    agent,
    secrets: buildWebhookSecrets(config, DEFAULT_ACCOUNT),
    scheduleMs: SCHEDULE_MS,
    timeoutMs: TIMEOUT_MS,
    lookEveryMs: LOOK_EVERY_MS,
    async close() {
      await agent.close();
      await queue.close();
    },
  };
}
