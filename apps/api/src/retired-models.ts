// The models the upstream was seen to have retired, as this process knows them: a copy of a Redis set, refreshed every
// few seconds, so that no request has to ask.
import type { Keys } from '@darkroom/shared/base/keys.ts';
import type { Logger } from '@darkroom/shared/telemetry/logger.ts';
import type { Redis } from 'ioredis';

const REFRESH_MS = 5_000;

export interface RetiredModels {
  /** At most a few seconds old while Redis answers. */
  current(): ReadonlySet<string>;
  stop(): void;
}

/** Reads the set once, then keeps refreshing; while Redis is away the last copy stays. */
export async function startRetiredModels(
  redis: Redis,
  keys: Keys,
  logger: Logger,
  refreshMs = REFRESH_MS,
): Promise<RetiredModels> {
  let models: ReadonlySet<string> = new Set(await redis.smembers(keys.retiredModels));
  const refresh = async (): Promise<void> => {
    try {
      models = new Set(await redis.smembers(keys.retiredModels));
    } catch (error) {
      logger.debug({ err: error }, 'the retired models could not be refreshed');
    }
  };
  const timer = setInterval(() => void refresh(), refreshMs).unref();
  return { current: () => models, stop: () => clearInterval(timer) };
}
