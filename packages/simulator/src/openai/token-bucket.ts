/** A token bucket that starts full and fills evenly to `perMinute` in a minute. Time is given, never read. */
export class TokenBucket {
  readonly perMinute: number;
  #level: number;
  #at: number;

  constructor(perMinute: number, nowMs: number) {
    this.perMinute = perMinute;
    this.#level = perMinute;
    this.#at = nowMs;
  }

  /** What can be taken now, a fraction included. */
  available(nowMs: number): number {
    const gained = (Math.max(0, nowMs - this.#at) * this.perMinute) / 60_000;
    return Math.min(this.perMinute, this.#level + gained);
  }

  take(amount: number, nowMs: number): void {
    this.#level = this.available(nowMs) - amount;
    this.#at = nowMs;
  }

  /** Milliseconds until `amount` is there; a whole minute if it never can be. */
  waitMs(amount: number, nowMs: number): number {
    if (amount > this.perMinute || this.perMinute === 0) return 60_000;
    const lacking = amount - this.available(nowMs);
    return lacking <= 0 ? 0 : Math.ceil((lacking * 60_000) / this.perMinute);
  }

  /** Milliseconds until it is full again. */
  resetMs(nowMs: number): number {
    return this.waitMs(this.perMinute, nowMs);
  }
}
