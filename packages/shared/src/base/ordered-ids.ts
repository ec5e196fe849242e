// Ids from an index that is a ZSET by time, a stretch at a time in either order. What they name is read by others.
import type { Redis } from 'ioredis';

export type Order = 'asc' | 'desc';

/** Where to go on after `id`; null when it is not there. */
export async function rankAfter(redis: Redis, index: string, id: string, order: Order): Promise<number | null> {
  const rank = order === 'asc' ? await redis.zrank(index, id) : await redis.zrevrank(index, id);
  return rank === null ? null : rank + 1;
}

export function idsFrom(redis: Redis, index: string, rank: number, count: number, order: Order): Promise<string[]> {
  const last = rank + count - 1;
  return order === 'asc' ? redis.zrange(index, String(rank), String(last)) : redis.zrevrange(index, rank, last);
}
