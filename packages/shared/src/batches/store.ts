// Reads batches. Writes nothing.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { idsFrom, rankAfter } from '../base/ordered-ids.ts';
import { type BatchRecord, toBatchRecord } from './record.ts';

export async function readBatch(redis: Redis, keys: Keys, id: string): Promise<BatchRecord | null> {
  return toBatchRecord(await redis.hgetall(keys.batch(id)), id);
}

export interface BatchPage {
  readonly batches: readonly BatchRecord[];
  readonly hasMore: boolean;
}

/** A page of an account's batches, newest first. `after`: a batch id of the account; null = from the newest. */
export async function listBatches(
  redis: Redis,
  keys: Keys,
  account: string,
  limit: number,
  after: string | null,
): Promise<BatchPage> {
  const all = keys.accountBatches(account);
  const first = after === null ? null : await rankAfter(redis, all, after, 'desc');
  const batches: BatchRecord[] = [];
  for (let rank = first ?? 0; ; rank += limit + 1) {
    const ids = await idsFrom(redis, all, rank, limit + 1, 'desc');
    for (const id of ids) {
      const record = await readBatch(redis, keys, id);
      if (record === null) continue;
      if (batches.length === limit) return { batches, hasMore: true };
      batches.push(record);
    }
    if (ids.length <= limit) return { batches, hasMore: false };
  }
}
