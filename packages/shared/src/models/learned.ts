// What the upstream has told of its models beyond our data, kept in Redis for all processes: the models it answers
// «does not exist» for, and the days of shutdown it gives. How the two weigh against the data is in rules.ts.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';

export interface LearnedModels {
  /** Ids or snapshots the upstream has answered «does not exist» for. */
  readonly retired: ReadonlySet<string>;
  /** Model id of the rules → first UTC day (`YYYY-MM-DD`) on which it no longer answers. */
  readonly shutdownDates: ReadonlyMap<string, string>;
}

/** Rejects when Redis does. */
export async function readLearnedModels(
  redis: Redis,
  keys: Pick<Keys, 'retiredModels' | 'shutdownDates'>,
): Promise<LearnedModels> {
  const [retired, dates] = await Promise.all([redis.smembers(keys.retiredModels), redis.hgetall(keys.shutdownDates)]);
  return { retired: new Set(retired), shutdownDates: new Map(Object.entries(dates)) };
}
