// One BullMQ worker per lane, and what holds for all of them: locks, stops, and no new work while this process is full.

import { LANES } from '@darkroom/shared/models/rules.ts';
import type { CallItem } from '@darkroom/shared/queues/call-queue.ts';
import { ITEM_NAME, laneQueueName } from '@darkroom/shared/queues/call-queue.ts';
import { type Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Deps } from './deps.ts';
import { runCall } from './processors/run-call.ts';
import { applyToItem, type ItemEnd } from './verdict.ts';

export interface LaneWorkers {
  /** Takes no new items; sleepers hand theirs back at once; resolves when the last call under way is settled. */
  stop(): Promise<void>;
}

/** A rate limiter that never limits, but without one `queue.rateLimit` would not hold the lane (bullmq.md 0.3). */
const ARMED_LIMITER = { max: 1_000_000_000, duration: 1_000 };

const AFTER_ERROR_MS = 5_000;

export function startLaneWorkers(deps: Deps, connection: Redis): LaneWorkers {
  const stopping = new AbortController();
  const workers = LANES.map((lane) => startLane(deps, lane, connection, stopping.signal));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}

function startLane(deps: Deps, lane: string, connection: Redis, stopping: AbortSignal): Worker<CallItem> {
  const queue = deps.queues.queue(lane);
  holdConcurrency(deps, lane);
  // BullMQ passes the signal only to processors that declare three plain parameters.
  const processor = async (
    job: Job<CallItem>,
    token: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    if (job.name !== ITEM_NAME || token === undefined)
      throw new TypeError(`no handler for item ${job.name} of lane ${lane}`);
    const giveUp = signal === undefined ? stopping : AbortSignal.any([stopping, signal]);
    const end = await runOrDelay(deps, job.data, token, giveUp);
    if (end.kind === 'no-room') await restUntilRoom(deps, worker, stopping);
    await applyToItem(end, job, token, queue);
  };
  const worker = new Worker<CallItem>(laneQueueName(lane), processor, {
    connection,
    prefix: deps.keys.queuePrefix,
    concurrency: deps.config.WORKER_CONCURRENCY,
    lockDuration: deps.config.LOCK_DURATION_MS,
    stalledInterval: Math.ceil(deps.config.LOCK_DURATION_MS / 4),
    maxStalledCount: 3,
    maximumRateLimitDelay: 1_000,
    drainDelay: 1,
    limiter: ARMED_LIMITER,
  });
  worker.on('error', (error) => deps.log.warn({ err: error, lane }, 'lane worker'));
  worker.on('failed', (job, error) =>
    deps.log.error({ err: error, lane, item: job?.id }, 'item failed; the sweep will queue its call again'),
  );
  worker.on('lockRenewalFailed', (ids: string[]) => {
    for (const id of ids) worker.cancelJob(id, 'lock lost');
  });
  return worker;
}

/** A told `concurrency` of the lane's model is kept by BullMQ too, so that few items are fetched only to be handed back. */
function holdConcurrency(deps: Deps, lane: string): void {
  const told = deps.config.LIMITS[lane]?.concurrency;
  const queue = deps.queues.queue(lane);
  const setting = told === undefined ? queue.removeGlobalConcurrency() : queue.setGlobalConcurrency(told);
  setting.catch((error: unknown) => deps.log.warn({ err: error, lane }, 'concurrency could not be set'));
}

/** An error nobody expected (storage away while looking for earlier images, a bug) must not lose the item: again soon. */
async function runOrDelay(deps: Deps, item: CallItem, token: string, giveUp: AbortSignal): Promise<ItemEnd> {
  try {
    return await runCall(deps, item, token, giveUp);
  } catch (error) {
    deps.log.error({ err: error, jobId: item.jobId, call: item.call }, 'call could not be worked on');
    return { kind: 'delay', ms: AFTER_ERROR_MS };
  }
}

/** The lane takes no items in this process until a place is free; other processes have them meanwhile. */
async function restUntilRoom(deps: Deps, worker: Worker<CallItem>, stopping: AbortSignal): Promise<void> {
  if (worker.isPaused() || stopping.aborted) return;
  await worker.pause(true);
  const resume = async (): Promise<void> => {
    const slot = await deps.slots.take(stopping);
    slot.free();
    await worker.resume();
  };
  resume().catch((error: unknown) => {
    if (!stopping.aborted) deps.log.error({ err: error, lane: worker.name }, 'lane could not go on');
  });
}
