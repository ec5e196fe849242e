// Everything the routes work with, opened once and closed in reverse order. No route reaches for anything else.
import { randomBytes } from 'node:crypto';
import { type Accounts, buildAccounts } from '@darkroom/shared/accounts/accounts.ts';
import { type Keys, keysOf } from '@darkroom/shared/base/keys.ts';
import { findDurabilityProblems, openRedis } from '@darkroom/shared/base/redis.ts';
import type { ToldLimits } from '@darkroom/shared/base/variables.ts';
import { openStore } from '@darkroom/shared/images/open-store.ts';
import type { ImageStore } from '@darkroom/shared/images/store.ts';
import type { JobSteps } from '@darkroom/shared/jobs/steps.ts';
import type { SubmitDeps } from '@darkroom/shared/jobs/submit.ts';
import { type JobWaiter, openJobWaiter } from '@darkroom/shared/jobs/wait.ts';
import { LANES, limitNamesOf } from '@darkroom/shared/models/rules.ts';
import { type CallQueues, openCallQueues } from '@darkroom/shared/queues/call-queue.ts';
import type { Logger } from '@darkroom/shared/telemetry/logger.ts';
import { createMetrics, type Metrics } from '@darkroom/shared/telemetry/metrics.ts';
import type { Redis } from 'ioredis';
import type { ApiConfig } from './config.ts';
import { type RetiredModels, startRetiredModels } from './retired-models.ts';

export interface Deps {
  readonly config: ApiConfig;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly accounts: Accounts;
  /** Fails at once while Redis is away. */
  readonly redis: Redis;
  readonly keys: Keys;
  readonly queues: CallQueues;
  readonly submit: SubmitDeps;
  readonly waiter: JobWaiter;
  readonly store: ImageStore;
  readonly retiredModels: RetiredModels;
  readonly signingSecret: string;
  /** Aborts when the process is to stop: whoever waits answers with what there is. */
  readonly stopping: AbortController;
  close(): Promise<void>;
}

/** Throws when Redis or the storage's settings don't work; then nothing is left open. */
export async function openDeps(config: ApiConfig, logger: Logger): Promise<Deps> {
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
  const queues = await openQueues(redis, keys, onRedisError);
  opened.defer(() => queues.close());
  const subscriber = await openRedis(config.REDIS_URL, 'patient', onRedisError);
  opened.defer(() => subscriber.disconnect());
  const waiter = await openJobWaiter(redis, subscriber, keys);
  const store = await openStore({
    url: config.STORAGE_URL,
    forcePathStyle: config.S3_FORCE_PATH_STYLE,
    endpoint: config.AWS_ENDPOINT_URL_S3 ?? undefined,
    region: config.AWS_REGION ?? undefined,
  });
  opened.defer(() => store.close());
  const retiredModels = await startRetiredModels(redis, keys, logger);
  opened.defer(() => retiredModels.stop());
  await redis.set(keys.publicUrl, config.PUBLIC_URL);
  for (const problem of await findDurabilityProblems(redis)) logger.warn(`redis: ${problem}`);
  return {
    config,
    logger,
    metrics: createMetrics({ readLaneDepths: () => readLaneDepths(queues, logger) }),
    accounts: buildAccounts(config.API_KEYS),
    redis,
    keys,
    queues,
    submit: submitDepsOf(config, { redis, keys, retentionMs: config.JOB_RETENTION }, queues, logger),
    waiter,
    store,
    retiredModels,
    signingSecret: config.SIGNING_SECRET ?? (await sharedSigningSecret(redis, keys)),
    stopping: new AbortController(),
  };
}

/** Opens every lane's queue now: one opened while Redis is away would hang (bullmq.md 1.3). */
async function openQueues(redis: Redis, keys: Keys, onError: (error: Error) => void): Promise<CallQueues> {
  const queues = openCallQueues(redis, keys);
  for (const lane of LANES) queues.queue(lane).on('error', onError);
  await Promise.all(LANES.map((lane) => queues.queue(lane).waitUntilReady()));
  return queues;
}

function submitDepsOf(config: ApiConfig, steps: JobSteps, queues: CallQueues, logger: Logger): SubmitDeps {
  return {
    steps,
    queues,
    imagesPerMinuteOf: (model) => toldImagesPerMinute(config.LIMITS, model),
    onQueueError: (jobId, error) =>
      logger.error({ jobId, err: error }, 'job recorded but not queued; the sweep will queue it'),
  };
}

/** The least of what was told for the model and its family; null when nothing was. */
export function toldImagesPerMinute(limits: ToldLimits, model: string): number | null {
  const told = limitNamesOf(model).flatMap((name) => limits[name]?.images_per_minute ?? []);
  return told.length === 0 ? null : Math.min(...told);
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
