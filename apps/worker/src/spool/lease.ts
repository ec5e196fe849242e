// The right to settle one spooled answer: held in Redis, renewed while its worker lives. It only saves double work: all that
// is done under it may be done twice.
import type { Redis } from 'ioredis';

/** A dead worker's answers are taken over after this long. */
export const ANSWER_LEASE_MS = 12_000;
const RENEW_EVERY_MS = 4_000;

const RENEW =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

export interface Lease {
  release(): Promise<void>;
}

/** null when another has it. */
export async function takeAnswerLease(redis: Redis, key: string, owner: string): Promise<Lease | null> {
  if ((await redis.set(key, owner, 'PX', ANSWER_LEASE_MS, 'NX')) === null) return null;
  return keepAnswerLease(redis, key, owner);
}

/** Renews a lease that is ours already, or that somebody will take in our name. */
export function keepAnswerLease(redis: Redis, key: string, owner: string): Lease {
  const timer = setInterval(() => {
    // Failing, it ends: another may work beside us then, which does no harm.
    redis.eval(RENEW, 1, key, owner, ANSWER_LEASE_MS).catch(() => undefined);
  }, RENEW_EVERY_MS);
  return {
    async release() {
      clearInterval(timer);
      await redis.eval(RELEASE, 1, key, owner);
    },
  };
}
