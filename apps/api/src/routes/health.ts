// Probes: whether the process lives, and whether it can work.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { findDurabilityProblems } from '@darkroom/shared/base/redis.ts';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { buildCached } from '../http/cached.ts';
import { livezOperation, readyzOperation } from '../openapi/service-operations.ts';

const REMEMBER_MS = 5_000;
const PATIENCE_MS = 2_000;

export function registerHealth(app: App, { config, redis, store }: Deps): void {
  const probeStorage = buildCached(REMEMBER_MS, () => within(PATIENCE_MS, store.probe()));
  const findProblems = buildCached(REMEMBER_MS, () =>
    within(PATIENCE_MS, findDurabilityProblems(redis, config.REDIS_MIN_REPLICAS)),
  );

  app.get('/livez', { config: { operation: livezOperation } }, async () => ({ status: 'ok' }));

  app.get('/readyz', { config: { operation: readyzOperation } }, async () => {
    const [redisProbe, storageProbe] = await Promise.allSettled([within(PATIENCE_MS, redis.ping()), probeStorage()]);
    if (redisProbe.status === 'rejected') throw away('Redis', redisProbe.reason);
    if (storageProbe.status === 'rejected') throw away('The image storage', storageProbe.reason);
    return { status: 'ok', degraded: await findProblems() };
  });
}

function away(what: string, cause: unknown): ServiceError {
  return new ServiceError('unavailable', `${what} cannot be reached.`, { cause });
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
