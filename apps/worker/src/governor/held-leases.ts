// The leases of this process's permits. A permit counts as a call under way while its lease is renewed; a dead worker's
// permits end by themselves.
import type { Redis } from 'ioredis';

export const LEASE_MS = 45_000;

interface Lease {
  /** ZSETs the permit stands in. */
  readonly sets: readonly string[];
  /** Hash of the upstream key the permit probes; null when it is none. */
  readonly probed: string | null;
  /** When the permit's call may start, ms of Redis' clock: until then it sleeps, and is not under way (slow-down.lua). */
  readonly start: number;
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
    const now = await this.#nowMs();
    const pipeline = this.#redis.pipeline();
    for (const [permitId, { sets, probed, start }] of this.#held) {
      // No permit sleeps as long as a lease: a start that far ahead is of a clock that was set back.
      const until = Math.ceil(Math.max(now, Math.min(start, now + LEASE_MS))) + LEASE_MS;
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
