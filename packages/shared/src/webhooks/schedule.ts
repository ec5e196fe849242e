// What follows a try: done, stopped, or again and when (contract section 7). Pure: chance and time are passed in.
import type { FetchFailureKind } from '../net/guarded-fetch.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Waits between tries, ms; the first try is made at once. Standard Webhooks' own: 10 tries over 75.6 h. */
export const SCHEDULE_MS: readonly number[] = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];

/** Each wait is up to this share longer or shorter, so that what failed together does not come back together. */
const JITTER = 0.2;
const LONGEST_RETRY_AFTER_MS = 24 * HOUR_MS;

/**
 * Why a try got no status: no reply, or `worker_lost` the worker died during it · `no_secret` nothing to sign with, so
 * nothing was sent · `receiver_away` given up without a try, because the host did not answer for days.
 */
export type TryError = FetchFailureKind | 'worker_lost' | 'no_secret' | 'receiver_away';

export interface TryResult {
  /** The receiver's HTTP status; null when there was none. */
  readonly status: number | null;
  readonly error: TryError | null;
  /** How long the receiver asked to be left alone, ms; null when it did not. */
  readonly retryAfterMs: number | null;
}

export interface Judgement {
  /** `delivered` 2xx · `gone` 410 · `retry` after `delayMs` · `failed` no tries are left. */
  readonly outcome: 'delivered' | 'gone' | 'retry' | 'failed';
  readonly delayMs: number;
  /** What the try says about the host as a whole; null: nothing. A 404 of one path says that the host is well. */
  readonly health: 'up' | 'down' | null;
}

/** `failures`: failed tries before this one. `random` is within 0..1. */
export function judgeTry(
  result: TryResult,
  failures: number,
  random: number,
  schedule: readonly number[] = SCHEDULE_MS,
): Judgement {
  const { status } = result;
  const health = healthOf(result);
  if (status !== null && status >= 200 && status < 300) return { outcome: 'delivered', delayMs: 0, health };
  if (status === 410) return { outcome: 'gone', delayMs: 0, health };
  const wait = schedule[failures];
  if (wait === undefined) return { outcome: 'failed', delayMs: 0, health };
  const jittered = wait * (1 - JITTER + 2 * JITTER * random);
  const asked = Math.min(result.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS);
  return { outcome: 'retry', delayMs: Math.round(Math.max(jittered, asked)), health };
}

function healthOf({ status, error }: TryResult): Judgement['health'] {
  if (status !== null) return status >= 500 || status === 429 ? 'down' : 'up';
  return error === 'no_secret' ? null : 'down';
}

/** A `retry-after` header, seconds or an HTTP date, as ms from `nowMs`; null when it says neither. */
export function parseRetryAfterMs(header: string | undefined, nowMs: number): number | null {
  if (header === undefined) return null;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * SECOND_MS;
  const at = /^[A-Z][a-z]{2},/.test(header.trim()) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
}
