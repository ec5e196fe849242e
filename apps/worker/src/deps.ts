// Everything the worker works with, opened in one place and closed in the opposite order.
import { type Keys, keysOf } from '@darkroom/shared/base/keys.ts';
import { findDurabilityProblems, openRedis } from '@darkroom/shared/base/redis.ts';
import { Slots } from '@darkroom/shared/base/slots.ts';
import type { BatchSteps } from '@darkroom/shared/batches/steps.ts';
import { blockOtherLoaders } from '@darkroom/shared/images/inspect.ts';
import { openStore } from '@darkroom/shared/images/open-store.ts';
import type { ImageStore } from '@darkroom/shared/images/store.ts';
import { type InputDesk, openInputDesk } from '@darkroom/shared/inputs/desk.ts';
import type { JobSteps } from '@darkroom/shared/jobs/steps.ts';
import type { SubmitDeps } from '@darkroom/shared/jobs/submit.ts';
import { toldImagesPerMinute } from '@darkroom/shared/models/told-limits.ts';
import { parseAllowPrivate } from '@darkroom/shared/net/address.ts';
import { type GuardedAgent, openGuardedAgent } from '@darkroom/shared/net/guard.ts';
import { type CallQueues, openCallQueues } from '@darkroom/shared/queues/call-queue.ts';
import { createLogger } from '@darkroom/shared/telemetry/logger.ts';
import { createMetrics } from '@darkroom/shared/telemetry/metrics.ts';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { WorkerConfig } from './config.ts';
import { type Governor, openGovernor } from './governor/governor.ts';
import { openUpstream, type Upstream } from './upstream/client.ts';
import { openWebhooks, type Webhooks } from './webhooks.ts';

/** Input images this process holds at a time, as read from storage: a call that needs more goes alone. */
const INPUT_ROOM_BYTES = 256 * 1_024 ** 2;
/** The only upstream key there is so far. */
const UPSTREAM_KEY = 'default';

export interface Deps {
  readonly config: WorkerConfig;
  readonly log: Logger;
  readonly metrics: ReturnType<typeof createMetrics>;
  readonly redis: Redis;
  readonly keys: Keys;
  readonly steps: JobSteps;
  readonly batchSteps: BatchSteps;
  readonly submit: SubmitDeps;
  readonly queues: CallQueues;
  readonly store: ImageStore;
  readonly governor: Governor;
  readonly upstream: Upstream;
  /** For result URLs: no private addresses but the operator's own. */
  readonly resultAgent: GuardedAgent;
  /** Takes in the input images of batch lines. */
  readonly desk: InputDesk;
  readonly webhooks: Webhooks;
  /** Calls under way in this process. */
  readonly slots: Slots;
  /** Bytes of input images held by this process. */
  readonly inputRoom: Slots;
  /** Names of the attempts sent and not yet settled, for the operator. */
  readonly underWay: Set<string>;
  close(): Promise<void>;
}

export async function openDeps(config: WorkerConfig): Promise<Deps> {
  blockOtherLoaders();
  const log = createLogger({ name: 'worker', level: config.LOG_LEVEL });
  const redis = await openRedis(config.REDIS_URL, 'patient', (error) => log.warn({ err: error }, 'redis connection'));
  for (const problem of await findDurabilityProblems(redis)) log.warn({ problem }, 'redis may lose jobs');
  const keys = keysOf(config.REDIS_PREFIX);
  const store = await openStore({
    url: config.STORAGE_URL,
    forcePathStyle: config.S3_FORCE_PATH_STYLE,
    ...(config.AWS_ENDPOINT_URL_S3 === null ? {} : { endpoint: config.AWS_ENDPOINT_URL_S3 }),
    ...(config.AWS_REGION === null ? {} : { region: config.AWS_REGION }),
  });
  const steps: JobSteps = { redis, keys, retentionMs: config.JOB_RETENTION };
  const queues = openCallQueues(redis, keys);
  const upstream = openUpstream({
    apiKey: config.OPENAI_API_KEY,
    baseUrl: config.OPENAI_BASE_URL,
    callTimeoutMs: config.CALL_TIMEOUT_MS,
  });
  const governor = openGovernor({
    redis,
    keys,
    limits: config.LIMITS,
    upstreamKey: UPSTREAM_KEY,
    onError: (error) => log.warn({ err: error }, 'leases could not be renewed'),
  });
  const resultAgent = openGuardedAgent({
    allowPrivate: parseAllowPrivate(config.ALLOW_PRIVATE_URLS),
    trustedHosts: namesOf(new URL(config.OPENAI_BASE_URL).hostname),
  });
  // Callers' URLs: the operator's own servers are none of theirs.
  const inputAgent = openGuardedAgent({ allowPrivate: parseAllowPrivate(config.ALLOW_PRIVATE_URLS) });
  const desk = await openInputDesk({
    redis,
    keys,
    store,
    agent: inputAgent,
    maxUploadBytes: config.MAX_UPLOAD_BYTES,
  });
  const webhooks = openWebhooks(config, redis, keys, log);
  return {
    config,
    log,
    metrics: createMetrics(),
    redis,
    keys,
    steps,
    batchSteps: steps,
    submit: {
      steps,
      queues,
      imagesPerMinuteOf: (model) => toldImagesPerMinute(config.LIMITS, model),
      onQueueError: (jobId, error) =>
        log.error({ jobId, err: error }, 'job recorded but not queued; the sweep will queue it'),
    },
    queues,
    store,
    governor,
    upstream,
    resultAgent,
    desk,
    webhooks,
    slots: new Slots(config.WORKER_CONCURRENCY),
    inputRoom: new Slots(INPUT_ROOM_BYTES),
    underWay: new Set(),
    async close() {
      governor.close();
      await upstream.close();
      await resultAgent.close();
      await inputAgent.close();
      await desk.close();
      await webhooks.close();
      await queues.close();
      await store.close();
      redis.disconnect();
    },
  };
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** An upstream on this machine may name it differently in its links than the operator did: a paid image must not hang on that. */
function namesOf(host: string): string[] {
  return LOOPBACK.includes(host) ? LOOPBACK : [host];
}
