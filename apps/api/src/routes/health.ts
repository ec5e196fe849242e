// Probes: whether the process lives, and whether it can work.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { findDurabilityProblems } from '@darkroom/shared/base/redis.ts';
import { StorageError } from '@darkroom/shared/images/store.ts';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { buildCached } from '../http/cached.ts';
import { livezOperation, readyzOperation } from '../openapi/service-operations.ts';

const REMEMBER_MS = 5_000;
const PATIENCE_MS = 2_000;

export function registerHealth(app: App, { config, logger, redis, keys, store, submit }: Deps): void {
  const probeStorage = buildCached(REMEMBER_MS, () => within(PATIENCE_MS, store.probe()));
  const findProblems = buildCached(REMEMBER_MS, () =>
    within(PATIENCE_MS, findDurabilityProblems(redis, config.REDIS_MIN_REPLICAS)),
  );

  /**
   * What decides whether a job is taken, so not remembered: `findProblems` only counts connections. Behind a wait under way
   * it takes as long as both, so a late answer says the same as none: Redis itself has just answered.
   */
  const findUnconfirmed = async (): Promise<string[]> => {
    const { replicas } = submit.steps;
    if (replicas === undefined) return [];
    const isConfirmed = await within(PATIENCE_MS, replicas.confirm()).catch((error: unknown) => {
      logger.warn({ err: error }, 'whether replicas confirm could not be found out');
      return false;
    });
    return isConfirmed ? [] : ['replicas do not confirm what is written: nothing is accepted or sent'];
  };
  const findStorageNote = async (): Promise<string[]> => {
    const reason = await redis.get(keys.storageAway);
    return reason === null ? [] : [`a worker cannot use the image storage and sends nothing: ${reason}`];
  };

  app.get('/livez', { config: { operation: livezOperation } }, async () => ({ status: 'ok' }));

  app.get('/readyz', { config: { operation: readyzOperation } }, async () => {
    const [redisProbe, storageProbe] = await Promise.allSettled([within(PATIENCE_MS, redis.ping()), probeStorage()]);
    if (redisProbe.status === 'rejected') throw away('Redis', redisProbe.reason);
    if (storageProbe.status === 'rejected') throw storageAway(storageProbe.reason);
    const problems = await Promise.all([findProblems(), findUnconfirmed(), findStorageNote()]);
    return { status: 'ok', degraded: problems.flat() };
  });
}

function away(what: string, cause: unknown): ServiceError {
  return new ServiceError('unavailable', `${what} cannot be reached.`, { cause });
}

/** Its error says what is wrong: it may be there, and another than the one used so far. */
function storageAway(cause: unknown): ServiceError {
  return cause instanceof StorageError ? cause : away('The image storage', cause);
}

/** Rejects when `work` takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
