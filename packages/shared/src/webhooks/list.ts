// Lists an account's deliveries by filters. Writes nothing.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { idsFrom, type Order, rankAfter } from '../base/ordered-ids.ts';
import { type DeliveryRecord, type DeliveryState, readDeliveries } from './delivery.ts';

export interface DeliveryFilter {
  readonly state?: DeliveryState;
  readonly type?: string;
  readonly jobId?: string;
  readonly host?: string;
}

export interface DeliveryQuery {
  readonly filter: DeliveryFilter;
  readonly limit: number;
  readonly order: Order;
  /** The delivery after which the page begins; null = from the start. */
  readonly after: string | null;
}

export interface DeliveryPage {
  readonly deliveries: readonly DeliveryRecord[];
  /** Where the next page goes on; null when nothing was looked at. */
  readonly cursor: string | null;
  readonly hasMore: boolean;
}

const CHUNK = 100;
/** Records looked at for one page at most; a page may be short, then `hasMore` says to go on from its cursor. */
const SCAN_LIMIT = 2_000;

/** A page of an account's deliveries, newest first with `desc`. */
export async function listDeliveries(
  redis: Redis,
  keys: Keys,
  account: string,
  { filter, limit, order, after }: DeliveryQuery,
): Promise<DeliveryPage> {
  const all = keys.accountDeliveries(account);
  const found: DeliveryRecord[] = [];
  let cursor = after;
  let rank = after === null ? 0 : ((await rankAfter(redis, all, after, order)) ?? 0);
  for (let seen = 0; seen < SCAN_LIMIT; seen += CHUNK, rank += CHUNK) {
    const ids = await idsFrom(redis, all, rank, CHUNK, order);
    for (const [index, record] of (await readDeliveries(redis, keys, ids)).entries()) {
      const isWanted = record !== null && matches(record, filter);
      if (isWanted && found.length === limit) return { deliveries: found, cursor, hasMore: true };
      if (isWanted) found.push(record);
      if (isWanted || found.length < limit) cursor = ids[index] ?? cursor;
    }
    if (ids.length < CHUNK) return { deliveries: found, cursor, hasMore: false };
  }
  return { deliveries: found, cursor, hasMore: true };
}

function matches(record: DeliveryRecord, { state, type, jobId, host }: DeliveryFilter): boolean {
  return (
    (state === undefined || record.state === state) &&
    (type === undefined || record.type === type) &&
    (jobId === undefined || record.subject === jobId) &&
    (host === undefined || record.host === host)
  );
}
