// Waiting for a job to end, for any number of waiters: woken by what happens to the job, and by a slow poll of its status
// in case a message was lost. A waiter is a listener, a timer and a promise, nothing else: thousands wait in one process.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import type { JobChange, JobChanges } from './changes.ts';
import { hasEnded, type JobRecord } from './record.ts';
import { readJob, readStatus } from './store.ts';

const POLL_MS = 10_000;
/** While Redis is away. One that starts anew or fails over is back within this time; then waiters are told. */
const POLL_AGAIN_MS = 1_000;
const LONGEST_AWAY_MS = 15_000;

export interface JobWaiter {
  /**
   * The record as soon as the job has ended, or as it is after `timeoutMs`, when `gone` aborts or the process stops; null =
   * no such job. Outlasts a Redis that is away for a short while, else rejects.
   */
  wait(jobId: string, timeoutMs: number, gone: AbortSignal): Promise<JobRecord | null>;
}

/** `redis` reads the records. `stopping` ends all waits: one listener for all, as a signal's own many would be slow. */
export function buildJobWaiter(redis: Redis, keys: Keys, changes: JobChanges, stopping: AbortSignal): JobWaiter {
  const sleepers = new Set<() => void>();
  stopping.addEventListener('abort', () => {
    for (const wakeUp of sleepers) wakeUp();
  });
  /** The record of a job that has ended, null when there is none, undefined while it goes on. */
  async function readEnd(jobId: string, isLikely: boolean): Promise<JobRecord | null | undefined> {
    if (!isLikely) {
      const status = await readStatus(redis, keys, jobId);
      if (status !== null && !hasEnded({ status })) return undefined;
    }
    const record = await readJob(redis, keys, jobId);
    return record === null || hasEnded(record) ? record : undefined; // told of its end, it may run again
  }
  return {
    async wait(jobId, timeoutMs, gone) {
      const until = performance.now() + timeoutMs;
      let awaySince: number | null = null;
      const bed = openBed(changes, jobId, sleepers);
      gone.addEventListener('abort', bed.wakeUp);
      try {
        for (;;) {
          const leftMs = until - performance.now();
          if (leftMs <= 0 || gone.aborted || stopping.aborted) break;
          const answer = await readEnd(jobId, bed.heardEnd()).then(
            (record) => ({ kind: 'read', record }) as const,
            (error: unknown) => ({ kind: 'away', error }) as const,
          );
          if (answer.kind === 'read' && answer.record !== undefined) return answer.record;
          awaySince = answer.kind === 'read' ? null : (awaySince ?? performance.now());
          if (answer.kind === 'away' && performance.now() - (awaySince ?? 0) > LONGEST_AWAY_MS) throw answer.error;
          // Not all at once: thousands may have begun together.
          const pollMs = (answer.kind === 'read' ? POLL_MS : POLL_AGAIN_MS) * (0.75 + Math.random() / 2);
          await bed.sleep(Math.min(leftMs, pollMs));
        }
      } finally {
        gone.removeEventListener('abort', bed.wakeUp);
        bed.close();
      }
      return readJob(redis, keys, jobId);
    },
  };
}

/** `sleep` resolves on news of the job's end, when woken, or after `ms`. What comes between two sleeps cuts the next short. */
function openBed(changes: JobChanges, jobId: string, sleepers: Set<() => void>) {
  let isAwake = false;
  let hasHeard = false;
  let rise: (() => void) | null = null;
  const wakeUp = (): void => {
    isAwake = true;
    rise?.();
  };
  const unlisten = changes.onJob(jobId, (change: JobChange | null) => {
    if (change !== null && !hasEnded(change)) return;
    hasHeard = change !== null;
    wakeUp();
  });
  sleepers.add(wakeUp);
  return {
    wakeUp,
    /** Whether the end was said since this was asked last. */
    heardEnd(): boolean {
      const heard = hasHeard;
      hasHeard = false;
      return heard;
    },
    async sleep(ms: number): Promise<void> {
      if (!isAwake) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          rise = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      rise = null;
      isAwake = false;
    },
    close(): void {
      unlisten();
      sleepers.delete(wakeUp);
    },
  };
}
