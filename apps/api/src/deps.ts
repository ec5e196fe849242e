// Everything the routes work with, opened once and closed in reverse order. No route reaches for anything else.
import { randomBytes } from 'node:crypto';
import { type Accounts, buildAccounts, DEFAULT_ACCOUNT } from '@darkroom/shared/accounts/accounts.ts';
import { type Keys, keysOf } from '@darkroom/shared/base/keys.ts';
import { findDurabilityProblems, openRedis } from '@darkroom/shared/base/redis.ts';
import { openDurableRedis } from '@darkroom/shared/base/replicas.ts';
import type { BatchSteps } from '@darkroom/shared/batches/steps.ts';
import { blockOtherLoaders } from '@darkroom/shared/images/inspect.ts';
import { buildMarkedStore } from '@darkroom/shared/images/marked-store.ts';
import { openStore } from '@darkroom/shared/images/open-store.ts';
import type { ImageStore } from '@darkroom/shared/images/store.ts';
import { type InputDesk, openInputDesk } from '@darkroom/shared/inputs/desk.ts';
import { type JobChanges, openJobChanges } from '@darkroom/shared/jobs/changes.ts';
import type { JobSteps } from '@darkroom/shared/jobs/steps.ts';
import type { SubmitDeps } from '@darkroom/shared/jobs/submit.ts';
import { type Askers, startAskers } from '@darkroom/shared/jobs/unanswered.ts';
import { buildJobWaiter, type JobWaiter } from '@darkroom/shared/jobs/wait.ts';
import { buildLaneRates, type LaneRate } from '@darkroom/shared/lanes/lane-outlook.ts';
import { buildQueueRoom, type OpenCalls, type QueueRoom } from '@darkroom/shared/lanes/queue-room.ts';
import { LANES } from '@darkroom/shared/models/rules.ts';
import { toldImagesPerMinute } from '@darkroom/shared/models/told-limits.ts';
import { type AllowPrivate, parseAllowPrivate } from '@darkroom/shared/net/address.ts';
import { openGuardedAgent } from '@darkroom/shared/net/guard.ts';
import { type CallQueues, openCallQueues } from '@darkroom/shared/queues/call-queue.ts';
import type { Logger } from '@darkroom/shared/telemetry/logger.ts';
import { createMetrics, type Metrics } from '@darkroom/shared/telemetry/metrics.ts';
import { buildWebhookSecrets, type WebhookSecrets } from '@darkroom/shared/webhooks/secrets.ts';
import { outboxDepth } from '@darkroom/shared/webhooks/steps.ts';
import type { Redis } from 'ioredis';
import type { ApiConfig } from './config.ts';
import { type LearnedModelsCopy, startLearnedModels } from './learned-models.ts';

export interface Deps {
  readonly config: ApiConfig;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly accounts: Accounts;
  /** Fails at once while Redis is away. */
  readonly redis: Redis;
  readonly keys: Keys;
  readonly queues: CallQueues;
  readonly queueRoom: QueueRoom;
  /** How fast a lane goes; at most 1 s old. */
  readonly rateOf: (lane: string) => Promise<LaneRate>;
  readonly submit: SubmitDeps;
  readonly batchSteps: BatchSteps;
  /** The one subscription to what happens to jobs. */
  readonly changes: JobChanges;
  readonly waiter: JobWaiter;
  /** The clients that wait for a reply of this process. */
  readonly askers: Askers;
  readonly store: ImageStore;
  /** Takes input images in. */
  readonly desk: InputDesk;
  readonly learnedModels: LearnedModelsCopy;
  readonly signingSecret: string;
  readonly webhookSecrets: WebhookSecrets;
  /** Private addresses that callers' URLs may lead to. */
  readonly allowPrivate: AllowPrivate;
  /** Aborts when the process is to stop: whoever waits answers with what there is. */
  readonly stopping: AbortController;
  close(): Promise<void>;
}

/** Throws when Redis or the storage's settings don't work; then nothing is left open. */
export async function openDeps(config: ApiConfig, logger: Logger): Promise<Deps> {
  blockOtherLoaders();
  const opened = new AsyncDisposableStack();
  try {
    const deps = await open(config, logger, opened);
    return { ...deps, close: () => opened.disposeAsync() };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

async function open(config: ApiConfig, logger: Logger, opened: AsyncDisposableStack): Promise<Omit<Deps, 'close'>> {
  const keys = keysOf(config.REDIS_PREFIX);
  const onRedisError = (error: Error): void => logger.warn({ err: error }, 'redis');
  const redis = await openRedis(config.REDIS_URL, 'fast', onRedisError);
  opened.defer(() => redis.disconnect());
  const durable = await openDurableRedis(redis, {
    url: config.REDIS_URL,
    manner: 'fast',
    mark: keys.replicated,
    minReplicas: config.REDIS_MIN_REPLICAS,
    onError: onRedisError,
  });
  opened.defer(() => durable.close());
  const steps: JobSteps = { ...durable, keys, retentionMs: config.JOB_RETENTION };
  const queues = await openQueues(redis, keys, onRedisError);
  opened.defer(() => queues.close());
  const subscriber = await openRedis(config.REDIS_URL, 'patient', onRedisError);
  opened.defer(() => subscriber.disconnect());
  const changes = await openJobChanges(subscriber, keys);
  const bytes = await openStore({
    url: config.STORAGE_URL,
    forcePathStyle: config.S3_FORCE_PATH_STYLE,
    endpoint: config.AWS_ENDPOINT_URL_S3 ?? undefined,
    region: config.AWS_REGION ?? undefined,
  });
  opened.defer(() => bytes.close());
  const store = buildMarkedStore({ redis, keys, store: bytes });
  // It may be away for now: /readyz says so, and each use tries again.
  const tried = store.probe().catch((error: unknown) => logger.error({ err: error }, 'the image storage is away'));
  opened.defer(() => tried);
  const allowPrivate = parseAllowPrivate(config.ALLOW_PRIVATE_URLS);
  const agent = openGuardedAgent({ allowPrivate });
  opened.defer(() => agent.close());
  const desk = await openInputDesk({ redis, keys, store, agent, maxUploadBytes: config.MAX_UPLOAD_BYTES });
  opened.defer(() => desk.close());
  const askers = await startAskers({ redis, keys }, (error) => logger.warn({ err: error }, 'heartbeat'));
  opened.defer(() => askers.stop());
  const learnedModels = await startLearnedModels(redis, keys, logger);
  opened.defer(() => learnedModels.stop());
  await redis.set(keys.publicUrl, config.PUBLIC_URL);
  for (const problem of await findDurabilityProblems(redis, config.REDIS_MIN_REPLICAS))
    logger.warn(`redis: ${problem}`);
  const stopping = new AbortController();
  const mostOpenCalls = { lane: config.MAX_QUEUE_DEPTH, account: config.MAX_ACCOUNT_QUEUE_DEPTH };
  const rateOf = buildLaneRates(redis, keys);
  return {
    config,
    logger,
    metrics: createMetrics({
      readLaneDepths: () => readLaneDepths(queues, logger),
      readOutboxDepth: () => readOutboxDepth(redis, keys, logger),
    }),
    accounts: buildAccounts(config.API_KEYS),
    redis,
    keys,
    queues,
    queueRoom: buildQueueRoom({ redis, keys }, mostOpenCalls, rateOf),
    rateOf,
    submit: submitDepsOf(config, steps, queues, mostOpenCalls, logger),
    batchSteps: steps,
    changes,
    waiter: buildJobWaiter(redis, keys, changes, stopping.signal),
    askers,
    store,
    desk,
    learnedModels,
    signingSecret: config.SIGNING_SECRET ?? (await sharedSigningSecret(redis, keys)),
    webhookSecrets: buildWebhookSecrets(config, DEFAULT_ACCOUNT),
    allowPrivate,
    stopping,
  };
}

/** Opens every lane's queue now: one opened while Redis is away would hang (bullmq.md 1.3). */
async function openQueues(redis: Redis, keys: Keys, onError: (error: Error) => void): Promise<CallQueues> {
  const queues = openCallQueues(redis, keys);
  for (const lane of LANES) queues.queue(lane).on('error', onError);
  await Promise.all(LANES.map((lane) => queues.queue(lane).waitUntilReady()));
  return queues;
}

function submitDepsOf(
  config: ApiConfig,
  steps: JobSteps,
  queues: CallQueues,
  mostOpenCalls: OpenCalls,
  logger: Logger,
): SubmitDeps {
  return {
    steps,
    queues,
    mostOpenCalls,
    imagesPerMinuteOf: (model) => toldImagesPerMinute(config.LIMITS, model),
    onQueueError: (jobId, error) =>
      logger.error({ jobId, err: error }, 'job recorded but not queued; the sweep will queue it'),
  };
}

/** The secret all API processes share, made by the first of them. */
async function sharedSigningSecret(redis: Redis, keys: Keys): Promise<string> {
  await redis.set(keys.signingSecret, randomBytes(32).toString('base64url'), 'NX');
  const secret = await redis.get(keys.signingSecret);
  if (secret === null) throw new Error('the signing secret could not be kept in Redis');
  return secret;
}

/** Empty while Redis is away: a metric that can't be read is left out rather than invented. */
async function readLaneDepths(queues: CallQueues, logger: Logger): Promise<ReadonlyMap<string, number>> {
  try {
    return new Map(await Promise.all(LANES.map(async (lane) => [lane, await queues.depth(lane)] as const)));
  } catch (error) {
    logger.warn({ err: error }, 'the depth of the lanes could not be read');
    return new Map();
  }
}

/** null while Redis is away. */
async function readOutboxDepth(redis: Redis, keys: Keys, logger: Logger): Promise<number | null> {
  try {
    return await outboxDepth(redis, keys);
  } catch (error) {
    logger.warn({ err: error }, 'the depth of the outbox could not be read');
    return null;
  }
}
