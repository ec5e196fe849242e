// The only place that maps the end of one run of a queue item to what BullMQ does with the item.
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallItem } from '@darkroom/shared/queues/call-queue.ts';
import { DelayedError, type Job, type Queue, WaitingError } from 'bullmq';

/** How one run of an item ended. The record holds the outcome; this is only about the item. */
export type ItemEnd =
  /** Nothing is left to do for this item. */
  | { readonly kind: 'done' }
  /** Again after `ms`: backoff. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Back to its place in the queue; the lane rests for `ms`, on all workers. */
  | { readonly kind: 'hand-back'; readonly ms: number }
  /** Back to its place in the queue; this process takes nothing from the lane until it has room again. */
  | { readonly kind: 'no-room' }
  /** The same, until there is room in the host's spool. */
  | { readonly kind: 'spool-full' }
  /** The same, until the image storage is back. */
  | { readonly kind: 'storage-away' }
  /** The same, until a call may find out whether the links of images can be followed. */
  | { readonly kind: 'links-away' };

/** A lane rests this long at most, so that it notices soon when a pause ends early. */
const LONGEST_REST_MS = 10_000;
const SHORTEST_REST_MS = 50;

export async function applyToItem(
  end: ItemEnd,
  job: Job<CallItem>,
  token: string,
  lane: Queue<CallItem>,
): Promise<void> {
  switch (end.kind) {
    case 'done':
      return;
    case 'delay':
      await job.moveToDelayed(Date.now() + end.ms, token);
      throw new DelayedError();
    case 'hand-back':
      if (end.ms > 0) await lane.rateLimit(Math.min(LONGEST_REST_MS, Math.max(SHORTEST_REST_MS, Math.ceil(end.ms))));
      await job.moveToWait(token);
      throw new WaitingError();
    case 'no-room':
    case 'spool-full':
    case 'storage-away':
    case 'links-away':
      await job.moveToWait(token);
      throw new WaitingError();
  }
}

const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 60_000;

/** Exponential backoff with full jitter after the `failed`-th failure; never sooner than the upstream asked for. */
export function backoffMs(failed: number, retryAfterMs: number | null, random: number): number {
  const ceiling = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.max(0, failed - 1));
  return Math.round(Math.max(random * ceiling, retryAfterMs ?? 0));
}

/** Sleeps; false when `signal` aborted first. */
export async function sleepUnlessAborted(ms: number, signal: AbortSignal): Promise<boolean> {
  if (ms <= 0) return !signal.aborted;
  try {
    await sleep(ms, undefined, { signal });
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
