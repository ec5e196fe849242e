// Everything the worker works with, opened in one place and closed in the opposite order.
import { type Keys, keysOf } from '@darkroom/shared/base/keys.ts';
import { findDurabilityProblems, openRedis } from '@darkroom/shared/base/redis.ts';
import { openDurableRedis } from '@darkroom/shared/base/replicas.ts';
import type { BatchSteps } from '@darkroom/shared/batches/steps.ts';
import { blockOtherLoaders } from '@darkroom/shared/images/inspect.ts';
import { nameBooks } from '@darkroom/shared/images/mark.ts';
import { buildMarkedStore, type MarkedStore } from '@darkroom/shared/images/marked-store.ts';
import { openStore } from '@darkroom/shared/images/open-store.ts';
import { openSpool, type Spool } from '@darkroom/shared/images/spool.ts';
import { type InputDesk, openInputDesk } from '@darkroom/shared/inputs/desk.ts';
import type { JobSteps } from '@darkroom/shared/jobs/steps.ts';
import type { SubmitDeps } from '@darkroom/shared/jobs/submit.ts';
import { LANES } from '@darkroom/shared/models/rules.ts';
import { toldImagesPerMinute, unusedLimits } from '@darkroom/shared/models/told-limits.ts';
import { parseAllowPrivate } from '@darkroom/shared/net/address.ts';
import { type GuardedAgent, openGuardedAgent } from '@darkroom/shared/net/guard.ts';
import { type CallQueues, openCallQueues } from '@darkroom/shared/queues/call-queue.ts';
import { createLogger } from '@darkroom/shared/telemetry/logger.ts';
import { createMetrics } from '@darkroom/shared/telemetry/metrics.ts';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { WorkerConfig } from './config.ts';
import { type Governor, openGovernor } from './governor/governor.ts';
import { LaneSlots } from './lane-slots.ts';
import { Bell } from './spool/bell.ts';
import { type Breaker, buildBreaker } from './spool/breaker.ts';
import { buildLinkBreaker, type LinkBreaker } from './spool/link-breaker.ts';
import { buildOwnAnswers, type OwnAnswers } from './spool/own-answers.ts';
import { PutTimes } from './spool/put-times.ts';
import { openRoom, type SpoolRoom } from './spool/room.ts';
import { UnderWay } from './under-way.ts';
import { openUpstreams, type Upstreams } from './upstream/upstreams.ts';
import { upstreamKeysOf } from './upstream-keys.ts';
import { openWebhooks, type Webhooks } from './webhooks.ts';

/** Input images this process holds at a time, as read from storage: a call that needs more goes alone. */
const INPUT_ROOM_BYTES = 256 * 1_024 ** 2;

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
  readonly store: MarkedStore;
  /** Paid answers of this host that wait for the store. */
  readonly spool: Spool;
  /** Which of them are of this installation. */
  readonly ownAnswers: OwnAnswers;
  readonly room: SpoolRoom;
  readonly breaker: Breaker;
  readonly linkBreaker: LinkBreaker;
  readonly putTimes: PutTimes;
  /** Rings when something new waits to be drained. */
  readonly drainBell: Bell;
  readonly governor: Governor;
  readonly upstreams: Upstreams;
  /** Names of the upstream keys, in order of preference. */
  readonly upstreamKeys: readonly string[];
  /** For result URLs: no private addresses but the operator's own. */
  readonly resultAgent: GuardedAgent;
  /** Takes in the input images of batch lines. */
  readonly desk: InputDesk;
  readonly webhooks: Webhooks;
  /** Calls under way in this process. */
  readonly slots: LaneSlots;
  /** Bytes of input images held by this process. */
  readonly inputRoom: LaneSlots;
  readonly underWay: UnderWay;
  close(): Promise<void>;
}

export async function openDeps(config: WorkerConfig): Promise<Deps> {
  blockOtherLoaders();
  const log = createLogger({ name: 'worker', level: config.LOG_LEVEL });
  const redis = await openRedis(config.REDIS_URL, 'patient', (error) => log.warn({ err: error }, 'redis connection'));
  for (const problem of await findDurabilityProblems(redis, config.REDIS_MIN_REPLICAS))
    log.warn({ problem }, 'redis may lose jobs');
  const keys = keysOf(config.REDIS_PREFIX);
  const bytes = await openStore({
    url: config.STORAGE_URL,
    forcePathStyle: config.S3_FORCE_PATH_STYLE,
    ...(config.AWS_ENDPOINT_URL_S3 === null ? {} : { endpoint: config.AWS_ENDPOINT_URL_S3 }),
    ...(config.AWS_REGION === null ? {} : { region: config.AWS_REGION }),
  });
  const store = buildMarkedStore({ redis, keys, store: bytes });
  const metrics = createMetrics();
  const spool = await openSpool({ directory: config.SPOOL_DIR, books: await nameBooks({ redis, keys }) });
  const room = openRoom({
    redis,
    keys,
    spool,
    maxBytes: config.SPOOL_MAX_BYTES,
    onError: (error) => log.warn({ err: error }, 'room in the spool could not be renewed'),
    onFull: () => log.warn({ directory: config.SPOOL_DIR }, 'no room in the spool: calls wait'),
  });
  const breaker = buildBreaker({ redis, keys, metrics, log, processId: room.processId });
  const durable = await openDurableRedis(redis, {
    url: config.REDIS_URL,
    manner: 'patient',
    mark: keys.replicated,
    minReplicas: config.REDIS_MIN_REPLICAS,
    onError: (error) => log.warn({ err: error }, 'redis connection of the steps'),
  });
  const steps: JobSteps = { ...durable, keys, retentionMs: config.JOB_RETENTION };
  const queues = openCallQueues(redis, keys);
  // Their connection says the same once, above; without a listener BullMQ would print it for each lane.
  for (const lane of LANES) queues.queue(lane).on('error', (error) => log.debug({ err: error, lane }, 'lane queue'));
  const upstreamKeys = upstreamKeysOf(config);
  for (const { name, limits } of upstreamKeys)
    for (const problem of unusedLimits(limits)) log.warn({ upstreamKey: name, problem }, 'limits told for nobody');
  const upstreams = openUpstreams(upstreamKeys, config.CALL_TIMEOUT_MS);
  const governor = await openGovernor({
    redis,
    keys,
    upstreamKeys: upstreamKeys.map(({ name, baseUrl, limits }) => ({ name, limits, host: new URL(baseUrl).host })),
    onError: (error) => log.warn({ err: error }, 'leases could not be renewed'),
  });
  const resultAgent = openGuardedAgent({
    allowPrivate: parseAllowPrivate(config.ALLOW_PRIVATE_URLS),
    trustedHosts: upstreamKeys.flatMap(({ baseUrl }) => namesOf(new URL(baseUrl).hostname)),
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
    metrics,
    redis,
    keys,
    steps,
    batchSteps: steps,
    submit: {
      steps,
      queues,
      mostOpenCalls: null,
      imagesPerMinuteOf: (model) => toldImagesPerMinute(config.LIMITS, model),
      onQueueError: (jobId, error) =>
        log.error({ jobId, err: error }, 'job recorded but not queued; the sweep will queue it'),
    },
    queues,
    store,
    spool,
    ownAnswers: buildOwnAnswers({ redis, keys, spool, log }),
    room,
    breaker,
    linkBreaker: buildLinkBreaker({ metrics, log }),
    putTimes: new PutTimes(),
    drainBell: new Bell(),
    governor,
    upstreams,
    upstreamKeys: upstreamKeys.map(({ name }) => name),
    resultAgent,
    desk,
    webhooks,
    slots: new LaneSlots(config.WORKER_CONCURRENCY),
    inputRoom: new LaneSlots(INPUT_ROOM_BYTES),
    underWay: new UnderWay(),
    async close() {
      breaker.stop();
      governor.close();
      await upstreams.close();
      await resultAgent.close();
      await inputAgent.close();
      await desk.close();
      await webhooks.close();
      await queues.close();
      await room.close();
      await store.close();
      durable.close();
      redis.disconnect();
    },
  };
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** An upstream on this machine may name it differently in its links than the operator did: a paid image must not hang on that. */
function namesOf(host: string): string[] {
  return LOOPBACK.includes(host) ? LOOPBACK : [host];
}
