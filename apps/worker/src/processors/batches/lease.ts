// The right to run one batch: held in Redis, renewed while its worker lives.
import type { Deps } from '../../deps.ts';

/** A dead worker's batches are taken over after this long. */
const LEASE_MS = 15_000;
const RENEW_EVERY_MS = 4_000;

const RENEW =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

export interface Lease {
  /** Aborts when the lease could not be kept: another worker may run the batch now. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** null when another worker has it. */
export async function takeLease(deps: Deps, batchId: string, owner: string): Promise<Lease | null> {
  const key = deps.keys.batchLease(batchId);
  if ((await deps.redis.set(key, owner, 'PX', LEASE_MS, 'NX')) === null) return null;
  const lost = new AbortController();
  let renewedAt = Date.now();
  const renew = async (): Promise<void> => {
    if (Date.now() - renewedAt > LEASE_MS) return lost.abort();
    const isOurs = (await deps.redis.eval(RENEW, 1, key, owner, LEASE_MS)) === 1;
    if (isOurs) renewedAt = Date.now();
    else lost.abort();
  };
  const timer = setInterval(() => {
    renew().catch((error: unknown) => deps.log.warn({ err: error, batchId }, 'lease could not be renewed'));
  }, RENEW_EVERY_MS);
  return {
    lost: lost.signal,
    async release() {
      clearInterval(timer);
      await deps.redis.eval(RELEASE, 1, key, owner);
    },
  };
}
