// Waiting for a job to end, for any number of waiters (75 µs and 0.3 KB each, bullmq.md 2f): woken by what happens to the
// job, and by a slow poll of the record in case a message was lost.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import type { JobChange, JobChanges } from './changes.ts';
import { hasEnded, type JobRecord } from './record.ts';
import { readJob } from './store.ts';

const POLL_MS = 10_000;

export interface JobWaiter {
  /** The record as soon as the job has ended, or as it is after `timeoutMs` or when `signal` aborts; null = no such job. */
  wait(jobId: string, timeoutMs: number, signal: AbortSignal): Promise<JobRecord | null>;
}

/** `redis` reads the records. */
export function buildJobWaiter(redis: Redis, keys: Keys, changes: JobChanges): JobWaiter {
  return {
    async wait(jobId, timeoutMs, signal) {
      const stop = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const news = listenForEnd(changes, jobId);
      try {
        for (;;) {
          const record = await readJob(redis, keys, jobId);
          if (record === null || hasEnded(record) || stop.aborted) return record;
          await news.next(POLL_MS, stop);
        }
      } finally {
        news.end();
      }
    },
  };
}

/** `next` resolves on news of the end, after `pollMs`, or when `stop` aborts. News between two calls is never missed. */
function listenForEnd(changes: JobChanges, jobId: string) {
  let isNews = false;
  let wakeUp: (() => void) | null = null;
  const end = changes.onJob(jobId, (change: JobChange | null) => {
    if (change !== null && !hasEnded(change)) return;
    isNews = true;
    wakeUp?.();
  });
  return {
    next(pollMs: number, stop: AbortSignal): Promise<void> {
      if (isNews || stop.aborted) {
        isNews = false;
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          stop.removeEventListener('abort', done);
          wakeUp = null;
          isNews = false;
          resolve();
        };
        const timer = setTimeout(done, pollMs);
        stop.addEventListener('abort', done, { once: true });
        wakeUp = done;
      });
    },
    end,
  };
}
