// The right to do something alone: held in Redis, renewed while its process lives, free for others after that. It saves double
// work; what may never happen twice is kept by the steps in Redis.
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';

/** Renewals per life: some may fail before the lease ends. */
const RENEWALS = 3;

const RENEW =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

export interface Lease {
  /** Aborts when the lease could not be kept: another process may do the same now. */
  readonly lost: AbortSignal;
  /** Never rejects: what could not be released ends by itself. */
  release(): Promise<void>;
}

export interface LeaseTerms {
  readonly key: string;
  readonly owner: string;
  /** A dead process's lease ends after this long. */
  readonly leaseMs: number;
}

interface LeaseDeps {
  readonly redis: Redis;
  readonly log: Logger;
}

/** null when another has it. */
export async function takeLease(deps: LeaseDeps, terms: LeaseTerms): Promise<Lease | null> {
  const { key, owner, leaseMs } = terms;
  if ((await deps.redis.set(key, owner, 'PX', leaseMs, 'NX')) === null) return null;
  return keepLease(deps, terms);
}

/** Renews a lease that is the owner's already, or that a step is about to take in its name. */
export function keepLease({ redis, log }: LeaseDeps, { key, owner, leaseMs }: LeaseTerms): Lease {
  const lost = new AbortController();
  let renewedAt = Date.now();
  const renew = async (): Promise<void> => {
    if (Date.now() - renewedAt > leaseMs) lost.abort(); // Redis is away
    const isOurs = (await redis.eval(RENEW, 1, key, owner, leaseMs)) === 1;
    if (isOurs) renewedAt = Date.now();
    else lost.abort();
  };
  const timer = setInterval(() => {
    renew().catch((error: unknown) => log.warn({ err: error, key }, 'lease could not be renewed'));
  }, leaseMs / RENEWALS);
  return {
    lost: lost.signal,
    async release() {
      clearInterval(timer);
      try {
        await redis.eval(RELEASE, 1, key, owner);
      } catch (error) {
        log.warn({ err: error, key }, 'lease could not be released; it runs out');
      }
    },
  };
}
