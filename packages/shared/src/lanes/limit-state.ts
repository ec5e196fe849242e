// What one limit of one upstream key allows at this moment, read from its bucket. The workers' governor writes buckets and
// decides by them (apps/worker/src/governor/bucket.lua); nothing here decides anything.
import type { ToldLimit } from '../base/variables.ts';
import { burstMsOf } from './burst.ts';

/** Limits counted by the minute, as the bucket's fields name them. */
export const RATES = ['images', 'requests', 'tokens'] as const;
export type RateKind = (typeof RATES)[number];

export interface Rate {
  /** A minute. */
  readonly limit: number;
  /** `guessed`: nothing is told or learned, and a 429 came. */
  readonly source: 'told' | 'learned' | 'guessed';
  /** What could start at once. */
  readonly available: number;
  /** When one call of one image could start, as far as this rate goes, ms; past = at once. */
  readonly freeAt: number;
}

export interface Concurrency {
  /** Told calls under way, all workers together; null when none is told. */
  readonly limit: number | null;
  readonly inUse: number;
  /** Lowered after `slow_down`, for now; null when it is not. */
  readonly loweredTo: number | null;
}

export interface LimitState {
  readonly name: string;
  readonly rates: Readonly<Record<RateKind, Rate | null>>;
  /** What an image took on average of late; null while nothing has been taken. */
  readonly tokensPerImage: number | null;
  readonly concurrency: Concurrency;
  /** A 429 said so; null when it goes. ms. */
  readonly stoppedUntil: number | null;
}

type Bucket = Readonly<Record<string, string>>;

/** These are the governor's. */
const RECOVERS_EVERY_MS = 30_000;
const FORGOTTEN_AFTER = 10;

/** As in the governor's set-back-clock.lua. */
const LONGEST_STOP_MS = 600_000;
const LARGEST_SHARE_MS = 60_000;
const SLACK_MS = 15_000;

/** `inUse`: permits whose lease has not ended. `now` in ms of Redis' clock. */
export function toLimitState(
  name: string,
  bucket: Bucket,
  told: ToldLimit | undefined,
  inUse: number,
  now: number,
): LimitState {
  const notBefore = believed(bucket['notBefore'], now + LONGEST_STOP_MS, now);
  const stoppedUntil = notBefore > now ? notBefore : null;
  const tokensPerImage = tokensPerImageOf(bucket);
  const weights = { images: 1, requests: 1, tokens: tokensPerImage ?? 1 };
  const rateOf = (kind: RateKind): Rate | null => toRate(kind, bucket, told, weights[kind], stoppedUntil !== null, now);
  const limit = told?.concurrency ?? null;
  return {
    name,
    rates: { images: rateOf('images'), requests: rateOf('requests'), tokens: rateOf('tokens') },
    tokensPerImage,
    concurrency: { limit, inUse, loweredTo: loweredTo(bucket, limit, now) },
    stoppedUntil,
  };
}

/** Of what the bucket gave in about the last minute: both counts decay alike. */
function tokensPerImageOf(bucket: Bucket): number | null {
  const images = Number(bucket['recent.images'] ?? 0);
  const tokens = Number(bucket['recent.tokens'] ?? 0);
  return images > 0 && tokens > 0 ? tokens / images : null;
}

/** `weight`: of a call of one image. */
function toRate(
  kind: RateKind,
  bucket: Bucket,
  told: ToldLimit | undefined,
  weight: number,
  isStopped: boolean,
  now: number,
): Rate | null {
  const known = limitOf(kind, bucket, told, now);
  if (known === null) return null;
  const stepMs = 60_000 / known.limit;
  const sizeMs = Math.max(stepMs, burstMsOf(told));
  const roomMs = Math.min(sizeMs, Number(bucket[`room.${kind}`] ?? 0) * stepMs);
  const notBefore = believed(bucket['notBefore'], now + LONGEST_STOP_MS, now);
  const afterStop = bucket['notBefore'] === undefined ? 0 : notBefore + sizeMs - roomMs;
  const furthest = Math.max(now, notBefore) + 2 * Math.max(burstMsOf(told), LARGEST_SHARE_MS) + SLACK_MS;
  const emptyAt = believed(bucket[`tat.${kind}`], furthest, now + burstMsOf(told));
  const fullAgainAt = Math.max(now, emptyAt, afterStop);
  const available = Math.floor((now + sizeMs - fullAgainAt) / stepMs);
  const shareMs = Math.min(weight, known.limit) * stepMs;
  const freeAt = fullAgainAt - Math.max(sizeMs, shareMs) + shareMs;
  return { ...known, available: isStopped ? 0 : Math.max(0, available), freeAt };
}

/** A time that lies further ahead than it can is of a clock that was set back: `instead` holds. */
function believed(time: string | undefined, furthest: number, instead: number): number {
  const at = Number(time ?? 0);
  return at > furthest ? instead : at;
}

/** What the upstream has not told for so long the governor has forgotten. */
const LEARNED_MS = 86_400_000;

/** As in the governor: the least of told and learned, a guess only where neither is known. */
function limitOf(
  kind: RateKind,
  bucket: Bucket,
  told: ToldLimit | undefined,
  now: number,
): Pick<Rate, 'limit' | 'source'> | null {
  const byOperator = told?.[`${kind}_per_minute`] ?? Number.POSITIVE_INFINITY;
  const isForgotten = now - Number(bucket[`learnedAt.${kind}`] ?? now) >= LEARNED_MS;
  const byUpstream = (isForgotten ? 0 : Number(bucket[`learned.${kind}`] ?? 0)) || Number.POSITIVE_INFINITY;
  const limit = Math.min(byOperator, byUpstream);
  if (Number.isFinite(limit)) return { limit, source: byOperator <= byUpstream ? 'told' : 'learned' };
  const guess = Number(bucket[`working.${kind}`] ?? 0);
  return guess > 0 && bucket[`hint.${kind}`] !== undefined ? { limit: guess, source: 'guessed' } : null;
}

/** null once it has grown past the told limit or is forgotten by the governor. */
function loweredTo(bucket: Bucket, told: number | null, now: number): number | null {
  const cap = Number(bucket['slowCap'] ?? 0);
  if (cap <= 0) return null;
  const doublings = Math.floor(Math.max(0, now - Number(bucket['slowAt'] ?? now)) / RECOVERS_EVERY_MS);
  const lowered = cap * 2 ** doublings;
  return doublings >= FORGOTTEN_AFTER || (told !== null && lowered >= told) ? null : lowered;
}
