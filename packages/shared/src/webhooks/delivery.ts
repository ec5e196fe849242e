// A delivery as it lies in Redis and as callers see it. The Lua steps in webhooks/lua are the only writers; lua/lib.lua
// lists the fields.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { toUnixSeconds } from '../base/units.ts';
import type { TryError } from './schedule.ts';

export const DELIVERY_STATES = ['pending', 'delivered', 'failed', 'gone'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** One try, made or lost. */
export interface TryRow {
  /** When it began, unix ms. */
  readonly at: number;
  /** The receiver's HTTP status; null when there was none. */
  readonly status: number | null;
  readonly error: TryError | null;
  /** How long it took; null when nobody knows. */
  readonly ms: number | null;
}

export interface DeliveryRecord {
  readonly id: string;
  readonly type: string;
  /** The job or batch the event is of. */
  readonly subject: string;
  readonly account: string;
  readonly url: string;
  readonly host: string;
  readonly createdAt: number;
  readonly state: DeliveryState;
  /** When the next try is due, unix ms; null when there will be none. */
  readonly nextAt: number | null;
  /** All tries; `log` holds the newest of them, oldest first. */
  readonly tries: number;
  readonly log: readonly TryRow[];
}

/** Every field but the body, which may be 20 kB. */
const FIELDS = ['id', 'type', 'subject', 'account', 'url', 'host', 'createdAt', 'state', 'nextAt', 'tries', 'log'];

export async function readDelivery(redis: Redis, keys: Keys, id: string): Promise<DeliveryRecord | null> {
  return toRecord(await redis.hmget(keys.delivery(id), ...FIELDS));
}

/** Several at once, in the same order. */
export async function readDeliveries(
  redis: Redis,
  keys: Keys,
  ids: readonly string[],
): Promise<(DeliveryRecord | null)[]> {
  return Promise.all(ids.map((id) => readDelivery(redis, keys, id)));
}

function toRecord(values: readonly (string | null)[]): DeliveryRecord | null {
  const [id, type, subject, account, url, host, createdAt, state, nextAt, tries, log] = values;
  if (!id || !type || !subject || !account || !url || !host) return null;
  return {
    id,
    type,
    subject,
    account,
    url,
    host,
    createdAt: Number(createdAt),
    state: state as DeliveryState,
    nextAt: nextAt ? Number(nextAt) : null,
    tries: Number(tries),
    log: parseLog(log ?? '[]'),
  };
}

/** cjson writes an empty list as `{}`. */
function parseLog(text: string): TryRow[] {
  const log: unknown = JSON.parse(text);
  return Array.isArray(log) ? (log as TryRow[]) : [];
}

export function toPublicDelivery(record: DeliveryRecord) {
  return {
    id: record.id,
    object: 'webhook_delivery' as const,
    type: record.type,
    job_id: record.subject.startsWith('job_') ? record.subject : null,
    batch_id: record.subject.startsWith('batch_') ? record.subject : null,
    url: record.url,
    host: record.host,
    state: record.state,
    created_at: toUnixSeconds(record.createdAt),
    next_attempt_at: toUnixSeconds(record.nextAt),
    attempt_count: record.tries,
    attempts: record.log.map(({ at, status, error, ms }) => ({
      at: toUnixSeconds(at),
      status,
      error,
      duration_ms: ms,
    })),
  };
}
