// The locks of the items this process has under way, renewed until their runs end. Not by BullMQ, which knows an item by its
// id alone: the end of one run of it ended the renewal of the next, which another slot had begun meanwhile. And what ran out
// while Redis was away stayed lost, though the call was under way: somebody made it again.
import { loadScript, runScript } from '@darkroom/shared/base/redis.ts';
import { assertNumbers, RedisReplyError } from '@darkroom/shared/base/redis-reply.ts';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';

const RENEW = loadScript(import.meta.url, 'renew-locks.lua');

/** Renewals per lock: some may be late. */
export const RENEWALS = 4;

export interface HeldItem {
  /** Of its hash, in BullMQ's layout. */
  readonly key: string;
  readonly token: string;
  /** How often it has been taken up, this time included. */
  readonly taken: number;
}

export interface ItemLock {
  readonly token: string;
  /** Aborts when the item has become another's. */
  readonly lost: AbortSignal;
  /** On the clock of `performance.now()`: how long it holds at least, as far as its renewals tell. */
  heldUntil(): number;
  /** Ends the renewal: the item is about to be moved, or done. */
  release(): void;
}

interface Held {
  readonly lost: AbortController;
  until: number;
}

interface Options {
  readonly redis: Redis;
  readonly log: Logger;
  readonly lockMs: number;
  /**
   * Looks for items whose worker is gone. Only while this process has reached Redis without a gap for as long as a lock lives:
   * after an outage all locks have run out, and the living take theirs again first.
   */
  readonly lookForLost: () => Promise<unknown>;
}

export class ItemLocks {
  readonly #options: Options;
  readonly #held = new Map<HeldItem, Held>();
  #renewedAt = performance.now();
  #steadySince = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isStopped = false;

  constructor(options: Options) {
    this.#options = options;
    this.#goOn();
  }

  hold(item: HeldItem): ItemLock {
    const held: Held = { lost: new AbortController(), until: Number.NEGATIVE_INFINITY };
    this.#held.set(item, held);
    return {
      token: item.token,
      lost: held.lost.signal,
      heldUntil: () => held.until,
      release: () => void this.#held.delete(item),
    };
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #goOn(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#turn()
        .catch((error: unknown) => this.#options.log.warn({ err: error }, 'locks of items could not be renewed'))
        .finally(() => this.#goOn());
    }, this.#options.lockMs / RENEWALS);
  }

  async #turn(): Promise<void> {
    const { lockMs } = this.#options;
    const askedAt = performance.now();
    await this.#renew(askedAt + lockMs);
    const now = performance.now();
    // A lock lasts longer than that from its last renewal on, so without such a gap none has run out.
    if (now - this.#renewedAt > lockMs / 2) this.#steadySince = now;
    this.#renewedAt = askedAt;
    if (now - this.#steadySince >= lockMs) this.#look();
  }

  /** Beside the renewals, which must not wait for it: it asks over another connection. One at a time. */
  #look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    void this.#options
      .lookForLost()
      .catch((error: unknown) =>
        this.#options.log.warn({ err: error }, 'items of dead workers could not be looked for'),
      )
      .finally(() => {
        this.#isLooking = false;
      });
  }

  async #renew(until: number): Promise<void> {
    const { redis, log, lockMs } = this.#options;
    const held = [...this.#held];
    const items = held.map(([item]) => item);
    const reply = await runScript(
      redis,
      RENEW,
      items.map(({ key }) => key),
      [lockMs, ...items.flatMap(({ token, taken }) => [token, taken])],
    );
    if (!Array.isArray(reply)) throw new RedisReplyError('renew-locks', 'a list', reply);
    assertNumbers(reply, 0, 'renew-locks');
    const lost = new Set(reply);
    for (const [index, [item, one]] of held.entries()) {
      if (!lost.has(index + 1)) one.until = until;
      else if (this.#held.delete(item)) {
        one.until = Number.NEGATIVE_INFINITY;
        log.warn({ item: item.key }, 'an item under way has become another’s');
        one.lost.abort(new DOMException('the lock is lost', 'AbortError'));
      } // else it has been released meanwhile
    }
  }
}
