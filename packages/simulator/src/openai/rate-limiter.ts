/**
 * The limits of an organization: buckets by model and by family, for images, requests and tokens a minute.
 * Models of one family share the family's buckets. A request is admitted by all of its buckets or by none.
 */
import type { Model } from './models.ts';
import { TokenBucket } from './token-bucket.ts';

export interface ModelLimits {
  images_per_minute?: number;
  requests_per_minute?: number;
  tokens_per_minute?: number;
}
/** By model id, snapshot id or family. */
export type Limits = Record<string, ModelLimits>;

export type Meter = 'images' | 'requests' | 'tokens';
export type Weights = Record<Meter, number>;

/** The state of one meter, for headers and messages. */
export interface Gauge {
  meter: Meter;
  limit: number;
  remaining: number;
  resetMs: number;
  /** The family's name when the limit is a shared one, else null. */
  sharedName: string | null;
}

export type Admission =
  | { admitted: true; gauges: Gauge[] }
  | { admitted: false; gauges: Gauge[]; refusedBy: Gauge; requested: number; waitMs: number };

interface Metered {
  meter: Meter;
  bucket: TokenBucket;
  sharedName: string | null;
}

const METERS: readonly [Meter, keyof ModelLimits][] = [
  ['images', 'images_per_minute'],
  ['requests', 'requests_per_minute'],
  ['tokens', 'tokens_per_minute'],
];

/** A client that waits exactly as told must not be refused for a rounding error. */
const ROUNDING = 1e-6;

export class RateLimiter {
  #limits: Limits;
  #burstSeconds: number;
  readonly #buckets = new Map<string, TokenBucket>();

  /** A full bucket holds what `burstSeconds` of its limit are worth. */
  constructor(limits: Limits, burstSeconds = 60) {
    this.#limits = limits;
    this.#burstSeconds = burstSeconds;
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** Replaces all limits; buckets start full. */
  setLimits(limits: Limits, burstSeconds = 60): void {
    this.#limits = limits;
    this.#burstSeconds = burstSeconds;
    this.#buckets.clear();
  }

  admit(model: Model, weights: Weights, nowMs: number): Admission {
    const metered = this.#metersOf(model, nowMs);
    const refusing = metered.find(({ meter, bucket }) => !bucket.allows(weights[meter], nowMs, ROUNDING));
    if (refusing !== undefined) {
      const requested = weights[refusing.meter];
      const waitMs = refusing.bucket.waitMs(requested, nowMs);
      const refusedBy = gaugeOf(refusing, nowMs);
      return { admitted: false, gauges: gaugesOf(metered, nowMs), refusedBy, requested, waitMs };
    }
    for (const { meter, bucket } of metered) bucket.take(weights[meter], nowMs);
    return { admitted: true, gauges: gaugesOf(metered, nowMs) };
  }

  #metersOf(model: Model, nowMs: number): Metered[] {
    const names = [...new Set([model.id, ...model.snapshots, model.family])].filter((name) => name in this.#limits);
    return names.flatMap((name) => {
      const sharedName = name === model.family && name !== model.id ? name : null;
      return METERS.flatMap(([meter, field]) => {
        const perMinute = this.#limits[name]?.[field];
        if (perMinute === undefined) return [];
        return [{ meter, bucket: this.#bucket(`${name} ${meter}`, perMinute, nowMs), sharedName }];
      });
    });
  }

  #bucket(key: string, perMinute: number, nowMs: number): TokenBucket {
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    const bucket = new TokenBucket(perMinute, nowMs, (perMinute * this.#burstSeconds) / 60);
    this.#buckets.set(key, bucket);
    return bucket;
  }
}

function gaugeOf({ meter, bucket, sharedName }: Metered, nowMs: number): Gauge {
  const remaining = Math.max(0, Math.floor(bucket.available(nowMs)));
  return { meter, limit: bucket.perMinute, remaining, resetMs: bucket.resetMs(nowMs), sharedName };
}

/** One gauge per meter: of two buckets the one with less left. */
function gaugesOf(metered: Metered[], nowMs: number): Gauge[] {
  const tightest = new Map<Meter, Gauge>();
  for (const gauge of metered.map((one) => gaugeOf(one, nowMs))) {
    const known = tightest.get(gauge.meter);
    if (known === undefined || gauge.remaining < known.remaining) tightest.set(gauge.meter, gauge);
  }
  return [...tightest.values()];
}
