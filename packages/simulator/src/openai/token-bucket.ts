/**
 * A token bucket that starts full and fills evenly: `perMinute` in a minute, never more than `capacity`. A request that
 * weighs more than a full bucket takes all of it and leaves a debt. Time is given, never read.
 */
export class TokenBucket {
  readonly perMinute: number;
  readonly #capacity: number;
  #level: number;
  #at: number;

  /** By default it holds a whole minute's worth. */
  constructor(perMinute: number, nowMs: number, capacity = perMinute) {
    this.perMinute = perMinute;
    this.#capacity = capacity;
    this.#level = capacity;
    this.#at = nowMs;
  }

  /** What can be taken now, a fraction included; less than 0 is a debt. */
  available(nowMs: number): number {
    const gained = (Math.max(0, nowMs - this.#at) * this.perMinute) / 60_000;
    return Math.min(this.#capacity, this.#level + gained);
  }

  /** Whether `amount` may be taken now; a shortfall of `rounding` is forgiven. */
  allows(amount: number, nowMs: number, rounding = 0): boolean {
    return amount <= this.perMinute && this.#lacking(amount, nowMs) <= rounding;
  }

  take(amount: number, nowMs: number): void {
    this.#level = this.available(nowMs) - amount;
    this.#at = nowMs;
  }

  /** Milliseconds until `amount` may be taken; a whole minute if it never can be. */
  waitMs(amount: number, nowMs: number): number {
    if (amount > this.perMinute || this.perMinute === 0) return 60_000;
    const lacking = this.#lacking(amount, nowMs);
    return lacking <= 0 ? 0 : Math.ceil((lacking * 60_000) / this.perMinute);
  }

  /** Milliseconds until it is full again. */
  resetMs(nowMs: number): number {
    return this.waitMs(this.perMinute, nowMs);
  }

  #lacking(amount: number, nowMs: number): number {
    return Math.min(amount, this.#capacity) - this.available(nowMs);
  }
}
