// One BullMQ worker per lane, and what holds for all of them: stops, and no new work while this process is full.

import { StorageError } from '@darkroom/shared/images/store.ts';
import { LANES } from '@darkroom/shared/models/rules.ts';
import type { CallItem } from '@darkroom/shared/queues/call-queue.ts';
import { ITEM_NAME } from '@darkroom/shared/queues/call-queue.ts';
import type { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Deps } from './deps.ts';
import { type ItemLock, ItemLocks } from './item-locks.ts';
import { lookForLost, openItemWorker, type RunItem } from './item-worker.ts';
import { runCall } from './processors/run-call.ts';
import type { ItemEnd } from './verdict.ts';

export interface LaneWorkers {
  /** Takes no new items; sleepers hand theirs back at once; resolves when the last call under way is settled. */
  stop(): Promise<void>;
  /** Lanes that rest look at once whether they still have to. */
  wake(): void;
}

const AFTER_ERROR_MS = 5_000;

export function startLaneWorkers(deps: Deps, connection: Redis): LaneWorkers {
  const stopping = new AbortController();
  const resumes = { count: 0 };
  const locks = new ItemLocks({
    redis: deps.redis,
    log: deps.log,
    lockMs: deps.config.LOCK_DURATION_MS,
    lookForLost: () => lookForLost(workers),
  });
  const workers = LANES.map((lane) => startLane(deps, lane, { connection, locks }, stopping.signal, resumes));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(workers.map((worker) => worker.close()));
      locks.stop();
    },
    wake() {
      resumes.count += 1;
      const ends = LANES.map((lane, index) => endRest(deps, lane, workers[index]));
      Promise.all(ends).catch((error: unknown) => deps.log.warn({ err: error }, 'lanes could not be woken'));
    },
  };
}

function startLane(
  deps: Deps,
  lane: string,
  { connection, locks }: { readonly connection: Redis; readonly locks: ItemLocks },
  stopping: AbortSignal,
  resumes: { readonly count: number },
): Worker<CallItem> {
  const queue = deps.queues.queue(lane);
  holdConcurrency(deps, lane);
  const run: RunItem = async (job, lock) => {
    if (job.name !== ITEM_NAME) throw new TypeError(`no handler for item ${job.name} of lane ${lane}`);
    const giveUp = AbortSignal.any([stopping, lock.lost]);
    const before = resumes.count;
    const reached = await runOrDelay(deps, job.data, lock, giveUp);
    // Something went on meanwhile: what this item was refused for may be over, so the lane doesn't rest because of it.
    const end: ItemEnd =
      reached.kind === 'hand-back' && resumes.count !== before ? { kind: 'hand-back', ms: 0 } : reached;
    await restIfAsked(deps, end, lane, worker, stopping);
    return end;
  };
  const { WORKER_CONCURRENCY: concurrency, LOCK_DURATION_MS: lockMs } = deps.config;
  const { queuePrefix: prefix } = deps.keys;
  const worker = openItemWorker({ queue, prefix, locks, lockMs, connection, concurrency }, run);
  const restUntilStorage = (): void => {
    restUntil(deps, worker, stopping, () => Promise.resolve()).catch((error: unknown) =>
      deps.log.error({ err: error, lane }, 'lane could not rest'),
    );
  };
  deps.breaker.onOpen(restUntilStorage);
  if (deps.breaker.isOpen) restUntilStorage();
  worker.on('error', (error) => deps.log.warn({ err: error, lane }, 'lane worker'));
  worker.on('failed', (job, error) =>
    deps.log.error({ err: error, lane, item: job?.id }, 'item failed; the sweep will queue its call again'),
  );
  return worker;
}

/**
 * BullMQ sleeps up to a second (`maximumRateLimitDelay`, with no public way to end that), or blocks on the lane's marker for
 * as long before it looks again.
 */
async function endRest(deps: Deps, lane: string, worker: Worker<CallItem> | undefined): Promise<void> {
  const { abortDelayController } = worker as unknown as { readonly abortDelayController?: AbortController | null };
  // A rest that was given while the news was on its way; what still has to rest will be told so again.
  await deps.queues.queue(lane).removeRateLimitKey();
  abortDelayController?.abort();
  await deps.redis.zadd(deps.queues.queue(lane).toKey('marker'), 0, '0');
}

/** A told `concurrency` of the lane's model is kept by BullMQ too, so that few items are fetched only to be handed back. */
function holdConcurrency(deps: Deps, lane: string): void {
  const told = deps.governor.toldConcurrency(lane);
  const queue = deps.queues.queue(lane);
  const setting = told === null ? queue.removeGlobalConcurrency() : queue.setGlobalConcurrency(told);
  setting.catch((error: unknown) => deps.log.warn({ err: error, lane }, 'concurrency could not be set'));
}

/** An error nobody expected (storage away while looking for earlier images, a bug) must not lose the item: again soon. */
async function runOrDelay(deps: Deps, item: CallItem, lock: ItemLock, giveUp: AbortSignal): Promise<ItemEnd> {
  try {
    return await runCall(deps, item, lock, giveUp);
  } catch (error) {
    if (error instanceof StorageError) deps.breaker.trip(error.message);
    deps.log.error({ err: error, jobId: item.jobId, call: item.call }, 'call could not be worked on');
    return { kind: 'delay', ms: AFTER_ERROR_MS };
  }
}

async function restIfAsked(
  deps: Deps,
  end: ItemEnd,
  lane: string,
  worker: Worker<CallItem>,
  stopping: AbortSignal,
): Promise<void> {
  if (end.kind === 'storage-away') await restUntil(deps, worker, stopping, () => Promise.resolve());
  if (end.kind === 'spool-full') await restUntil(deps, worker, stopping, () => deps.room.untilMore(stopping));
  if (end.kind === 'links-away')
    await restUntil(deps, worker, stopping, () => deps.linkBreaker.untilMayBegin(lane, stopping));
  if (end.kind === 'no-room')
    await restUntil(deps, worker, stopping, async () => (await deps.slots.take(lane, stopping)).free());
}

/** The lane takes no items in this process until then, and until the image storage is there; others have them meanwhile. */
async function restUntil(
  deps: Deps,
  worker: Worker<CallItem>,
  stopping: AbortSignal,
  ready: () => Promise<void>,
): Promise<void> {
  if (worker.isPaused() || stopping.aborted) return;
  await worker.pause(true);
  const resume = async (): Promise<void> => {
    await ready();
    await deps.breaker.untilClosed(stopping);
    await worker.resume();
  };
  resume().catch((error: unknown) => {
    if (!stopping.aborted) deps.log.error({ err: error, lane: worker.name }, 'lane could not go on');
  });
}
