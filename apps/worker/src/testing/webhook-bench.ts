// For tests: announcing and delivering as a worker does it, on a Redis of their own, with jobs ended by hand.
import { randomBytes } from 'node:crypto';
import { readVariables } from '@darkroom/shared/base/config.ts';
import { keysOf } from '@darkroom/shared/base/keys.ts';
import { openRedis } from '@darkroom/shared/base/redis.ts';
import type { JobSpec } from '@darkroom/shared/jobs/spec.ts';
import type { JobSteps } from '@darkroom/shared/jobs/steps.ts';
import { createLogger } from '@darkroom/shared/telemetry/logger.ts';
import { createMetrics } from '@darkroom/shared/telemetry/metrics.ts';
import { type DeliveryRecord, readDelivery } from '@darkroom/shared/webhooks/delivery.ts';
import type { ReceiverLimits } from '@darkroom/shared/webhooks/steps.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { workerVariables } from '../config.ts';
import { startAnnouncing } from '../processors/webhooks/start-announcing.ts';
import { startWebhookWorker } from '../webhook-worker.ts';
import { openWebhooks, type Webhooks } from '../webhooks.ts';
import { endByHand, submitByHand } from './jobs-by-hand.ts';

export const SECRET = `whsec_${randomBytes(32).toString('base64')}`;

export interface BenchOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly scheduleMs?: readonly number[];
  readonly timeoutMs?: number;
  readonly lookEveryMs?: number;
  readonly limits?: Partial<ReceiverLimits>;
  /** Workers on the same Redis. */
  readonly workers?: number;
}

export interface WebhookBench {
  readonly server: TestRedis;
  readonly steps: JobSteps;
  readonly webhooks: Webhooks;
  readonly metrics: ReturnType<typeof createMetrics>;
  /** The log, line by line. */
  readonly lines: readonly string[];
  /** Records a job whose events go to `url`. */
  submit(url: string, spec?: Partial<JobSpec>): Promise<string>;
  /** Ends one call of a job: with its images, or failed with a message. */
  end(jobId: string, call?: number, failure?: string): Promise<void>;
  /** Submits and completes a job of one image; the id of its last event. */
  run(url: string): Promise<string>;
  delivery(eventId: string): Promise<DeliveryRecord | null>;
  /** Stops the workers as SIGTERM does. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export async function openWebhookBench(options: BenchOptions = {}): Promise<WebhookBench> {
  const server = await openTestRedis();
  const lines: string[] = [];
  const log = createLogger({ name: 'worker', level: 'debug', destination: { write: (line) => void lines.push(line) } });
  const config = readVariables(workerVariables, {
    REDIS_URL: server.url,
    REDIS_PREFIX: server.prefix,
    OPENAI_API_KEY: 'sk-none',
    PUBLIC_URL: 'https://darkroom.test',
    SIGNING_SECRET: 'signs the links of this test only',
    WEBHOOK_SECRET: SECRET,
    ALLOW_PRIVATE_URLS: '127.0.0.1',
    ...options.env,
  });
  const keys = keysOf(server.prefix);
  const steps: JobSteps = { redis: server.redis, keys, retentionMs: 3_600_000 };
  const metrics = createMetrics();
  const started = await Promise.all(
    Array.from({ length: options.workers ?? 1 }, async () => {
      const redis = await patient(server.url);
      const opened = openWebhooks(config, redis, keys, log);
      const webhooks: Webhooks = {
        ...opened,
        steps: { ...opened.steps, limits: { ...opened.steps.limits, ...options.limits } },
        scheduleMs: options.scheduleMs ?? opened.scheduleMs,
        timeoutMs: options.timeoutMs ?? opened.timeoutMs,
        lookEveryMs: options.lookEveryMs ?? opened.lookEveryMs,
      };
      const [connection, subscriber] = await Promise.all([patient(server.url), patient(server.url)]);
      const deps = { redis, keys, config, log, metrics, webhooks };
      const announcer = await startAnnouncing(deps, subscriber);
      const worker = startWebhookWorker(deps, connection);
      return { webhooks, redis, connection, subscriber, announcer, worker };
    }),
  );
  const [first] = started;
  if (first === undefined) throw new Error('a bench needs a worker');

  const bench: WebhookBench = {
    server,
    steps,
    webhooks: first.webhooks,
    metrics,
    lines,
    submit: (url, spec) => submitByHand(steps, url, spec),
    end: (jobId, call, failure) => endByHand(steps, jobId, call, failure),
    async run(url) {
      const id = await bench.submit(url);
      await bench.end(id);
      return id.replace('job_', 'evt_').concat('_2'); // after its image.completed
    },
    delivery: (eventId) => readDelivery(server.redis, keys, eventId),
    async stop() {
      await Promise.all(started.flatMap(({ announcer, worker }) => [announcer.stop(), worker.stop()]));
    },
    async close() {
      await bench.stop();
      for (const { webhooks, redis, connection, subscriber } of started) {
        await webhooks.close();
        redis.disconnect();
        connection.disconnect();
        subscriber.disconnect();
      }
      await server.close();
    },
  };
  return bench;
}

function patient(url: string) {
  return openRedis(url, 'patient', () => undefined);
}
