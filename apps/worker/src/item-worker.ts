// A BullMQ worker of one queue whose items keep their locks as long as they are under way (item-locks.ts).
import type { CallItem } from '@darkroom/shared/queues/call-queue.ts';
import { type Job, type Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { type ItemLock, type ItemLocks, RENEWALS } from './item-locks.ts';
import { applyToItem, type ItemEnd } from './verdict.ts';

export type RunItem = (job: Job<CallItem>, lock: ItemLock) => Promise<ItemEnd>;

interface Options {
  readonly connection: Redis;
  readonly concurrency: number;
  readonly queue: Queue<CallItem>;
  readonly prefix: string;
  readonly lockMs: number;
  readonly locks: ItemLocks;
}

/** A rate limiter that never limits, but without one `queue.rateLimit` would not hold the lane (bullmq.md 0.3). */
const ARMED_LIMITER = { max: 1_000_000_000, duration: 1_000 };

export function openItemWorker(options: Options, run: RunItem): Worker<CallItem> {
  const { queue, locks, lockMs, prefix, connection, concurrency } = options;
  const processor = async (job: Job<CallItem>, token: string | undefined): Promise<void> => {
    if (token === undefined) throw new TypeError(`item ${job.id} has come without a lock`);
    const lock = locks.hold({ key: queue.toKey(job.id ?? ''), token, taken: job.attemptsStarted });
    const end = await run(job, lock).finally(() => lock.release());
    await applyToItem(end, job, token, queue);
  };
  return new Worker<CallItem>(queue.name, processor, {
    connection,
    prefix,
    concurrency,
    lockDuration: lockMs,
    skipLockRenewal: true,
    skipStalledCheck: true,
    stalledInterval: Math.ceil(lockMs / RENEWALS),
    // The record bounds how often a call is made; an item BullMQ fails would only come back later, by the sweep.
    maxStalledCount: 1_000,
    maximumRateLimitDelay: 1_000,
    drainDelay: 1,
    limiter: ARMED_LIMITER,
  });
}

/** Puts items back in line whose worker is gone: two looks after their locks have run out. */
export async function lookForLost(workers: readonly Worker[]): Promise<void> {
  await Promise.all(
    workers.map(async (worker) => {
      if (worker.closing === undefined) await worker.getBackend().moveStalledJobsToWait();
    }),
  );
}
