// What the governor knows of the upstream keys: which limits hold for a model under each, and what was told of them. Says
// so in Redis too, where the API reads it. Never has the keys themselves.
import type { Keys } from '@darkroom/shared/base/keys.ts';
import type { ToldLimit, ToldLimits } from '@darkroom/shared/base/variables.ts';
import { burstMsOf } from '@darkroom/shared/lanes/burst.ts';
import { limitNamesOf } from '@darkroom/shared/models/rules.ts';
import type { Redis } from 'ioredis';

export interface GovernedKey {
  readonly name: string;
  /** Of its base URL. */
  readonly host: string;
  readonly limits: ToldLimits;
}

/** The limits of one model under one upstream key, as the Lua steps take them. */
export interface LimitSet {
  readonly key: GovernedKey;
  readonly hash: string;
  /** HASH of the further limits the upstream has named, and the one of this model; '' = none. */
  readonly namesHash: string;
  readonly further: string;
  /** The model's own limit comes first. */
  readonly names: readonly string[];
  readonly buckets: readonly string[];
  readonly leases: readonly string[];
}

/** A name no worker has had for this long is forgotten. */
const FORGOTTEN_MS = 24 * 3_600_000;

export class GovernedKeys {
  readonly all: readonly GovernedKey[];
  readonly #keys: Keys;
  /** `<upstream key> <model>` → the further limit's name; Redis has the truth, and the steps say when this is stale. */
  readonly #further = new Map<string, string>();

  constructor(all: readonly GovernedKey[], keys: Keys) {
    this.all = all;
    this.#keys = keys;
  }

  /** The name under which the upstream's further limits of a model are kept. */
  ownLimitOf(model: string): string {
    return limitNamesOf(model)[0] ?? model;
  }

  limitSet(key: GovernedKey, model: string): LimitSet {
    const further = this.#further.get(`${key.name} ${this.ownLimitOf(model)}`) ?? '';
    const names = [...new Set([...limitNamesOf(model), ...(further === '' ? [] : [further])])];
    return {
      key,
      hash: this.#keys.upstreamKey(key.name),
      namesHash: this.#keys.limitNames(key.name),
      further,
      names,
      buckets: names.map((name) => this.bucketOf(key, name)),
      leases: names.map((name) => this.#keys.leases(key.name, name)),
    };
  }

  bucketOf(key: GovernedKey, limit: string): string {
    return this.#keys.bucket(key.name, limit);
  }

  noteFurther(key: GovernedKey, model: string, limit: string): void {
    this.#further.set(`${key.name} ${this.ownLimitOf(model)}`, limit);
  }

  /** Says in Redis that this process has these keys, and what it was told of them. */
  async announce(redis: Redis): Promise<void> {
    const now = Date.now();
    const pipeline = redis.pipeline().zremrangebyscore(this.#keys.upstreamKeys, '-inf', now - FORGOTTEN_MS);
    for (const { name, host, limits } of this.all) {
      pipeline.zadd(this.#keys.upstreamKeys, now, name);
      pipeline.hset(this.#keys.upstreamKey(name), { host, told: JSON.stringify(limits) });
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
  }
}

/** Five numbers of ARGV: images, requests, tokens a minute (0 = not told), burst ms, concurrency (0 = not told). */
export function toToldArgs(told: ToldLimit | undefined): number[] {
  return [
    told?.images_per_minute ?? 0,
    told?.requests_per_minute ?? 0,
    told?.tokens_per_minute ?? 0,
    burstMsOf(told),
    told?.concurrency ?? 0,
  ];
}
