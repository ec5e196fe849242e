// What the upstream has told of its models, as this process knows it: a copy of what Redis holds, refreshed every few
// seconds, so that no request has to ask.
import type { Keys } from '@darkroom/shared/base/keys.ts';
import { type LearnedModels, readLearnedModels } from '@darkroom/shared/models/learned.ts';
import type { Logger } from '@darkroom/shared/telemetry/logger.ts';
import type { Redis } from 'ioredis';

const REFRESH_MS = 5_000;

export interface LearnedModelsCopy {
  /** At most a few seconds old while Redis answers. */
  current(): LearnedModels;
  stop(): void;
}

/** Reads once, then keeps refreshing; while Redis is away the last copy stays. Rejects when the first read does. */
export async function startLearnedModels(
  redis: Redis,
  keys: Keys,
  logger: Logger,
  refreshMs = REFRESH_MS,
): Promise<LearnedModelsCopy> {
  let models = await readLearnedModels(redis, keys);
  const refresh = async (): Promise<void> => {
    try {
      models = await readLearnedModels(redis, keys);
    } catch (error) {
      logger.debug({ err: error }, 'what was learned of the models could not be refreshed');
    }
  };
  const timer = setInterval(() => void refresh(), refreshMs).unref();
  return { current: () => models, stop: () => clearInterval(timer) };
}
