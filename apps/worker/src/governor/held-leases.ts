// The leases of this process's permits. A permit counts as a call under way while its lease is renewed; a dead worker's
// permits end by themselves.
import type { Redis } from 'ioredis';

export const LEASE_MS = 45_000;

interface Lease {
  /** ZSETs the permit stands in. */
  readonly sets: readonly string[];
  /** Hash of the upstream key the permit probes; null when it is none. */
  readonly probed: string | null;
}

export class HeldLeases {
  readonly #redis: Redis;
  readonly #held = new Map<string, Lease>();

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  hold(permitId: string, lease: Lease): void {
    this.#held.set(permitId, lease);
  }

  drop(permitId: string): void {
    this.#held.delete(permitId);
  }

  async renew(): Promise<void> {
    if (this.#held.size === 0) return;
    const until = (await this.#nowMs()) + LEASE_MS;
    const pipeline = this.#redis.pipeline();
    for (const [permitId, { sets, probed }] of this.#held) {
      // Added anew where it has run out, as when Redis was away: the call is still under way.
      for (const set of sets) pipeline.zadd(set, until, permitId).pexpire(set, LEASE_MS);
      if (probed !== null) pipeline.hset(probed, 'probingUntil', until);
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
  }

  /** Of Redis' clock, by which leases end. */
  async #nowMs(): Promise<number> {
    const [seconds, micros] = await this.#redis.time();
    return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  }
}
