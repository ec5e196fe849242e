// Reads jobs: one by id, an account's list by filters. Writes nothing.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { idsFrom, type Order, rankAfter } from '../base/ordered-ids.ts';
import { RedisReplyError } from '../base/redis-reply.ts';
import type { Operation } from '../models/rules.ts';
import { type JobRecord, type JobStatus, toJobRecord, toJobStatus } from './record.ts';

export async function readJob(redis: Redis, keys: Keys, id: string): Promise<JobRecord | null> {
  return toJobRecord(await redis.hgetall(keys.job(id)), id);
}

/** Its status alone, at the cost of one small field; null when there is no such job. */
export async function readStatus(redis: Redis, keys: Keys, id: string): Promise<JobStatus | null> {
  return toJobStatus(await redis.hget(keys.job(id), 'state'), id);
}

/** The statuses of several, in their order, in one round trip; null for those that are not there. */
export async function readStatuses(redis: Redis, keys: Keys, ids: readonly string[]): Promise<(JobStatus | null)[]> {
  return Promise.all(ids.map((id) => readStatus(redis, keys, id)));
}

export interface JobFilter {
  readonly status?: JobStatus;
  readonly operation?: Operation;
  readonly model?: string;
  readonly batchId?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Unix ms, inclusive. */
  readonly createdFrom?: number;
  readonly createdTo?: number;
}

export interface JobPage {
  readonly jobs: readonly JobRecord[];
  /** Where the next page goes on; null when nothing was looked at. */
  readonly cursor: string | null;
  readonly hasMore: boolean;
}

const CHUNK = 100;
/** Records looked at for one page at most; a page may be short, then `hasMore` says to go on from its cursor. */
const SCAN_LIMIT = 2_000;

/** Told of a record that a list leaves out because it cannot be read; the error names key and field. */
export type OnUnreadable = (error: RedisReplyError) => void;

/** A page of an account's jobs, newest first with `desc`. `after` is a job id of the account; null = from the start. */
export async function listJobs(
  redis: Redis,
  keys: Keys,
  account: string,
  query: {
    readonly filter: JobFilter;
    readonly limit: number;
    readonly order: Order;
    readonly after: string | null;
  },
  onUnreadable: OnUnreadable,
): Promise<JobPage> {
  const all = keys.accountJobs(account);
  const jobs: JobRecord[] = [];
  let rank = query.after === null ? 0 : ((await rankAfter(redis, all, query.after, query.order)) ?? 0);
  let cursor = query.after;
  // Mostly the first records fit; a filter that lets few through makes the steps larger.
  let step = Math.min(CHUNK, query.limit + 1);
  for (let seen = 0; seen < SCAN_LIMIT; step = CHUNK) {
    const ids = await idsFrom(redis, all, rank, step, query.order);
    const records = leaveOutUnreadable(await readJobs(redis, keys, ids), onUnreadable);
    for (const [index, record] of records.entries()) {
      if (record !== null && jobs.length === query.limit && matches(record, query.filter))
        return { jobs, cursor, hasMore: true };
      if (record !== null && jobs.length < query.limit && matches(record, query.filter)) jobs.push(record);
      if (jobs.length < query.limit || jobs.at(-1)?.id === ids[index]) cursor = ids[index] ?? cursor;
    }
    if (ids.length < step) return { jobs, cursor, hasMore: false };
    rank += step;
    seen += step;
  }
  return { jobs, cursor, hasMore: true };
}

/** A record, null for one that is not there, or why it cannot be read. */
export type ReadRecord = JobRecord | RedisReplyError | null;

/** For lists, which one damaged record is not to take away whole. */
export function leaveOutUnreadable(records: readonly ReadRecord[], onUnreadable: OnUnreadable): (JobRecord | null)[] {
  return records.map((record) => {
    if (!(record instanceof RedisReplyError)) return record;
    onUnreadable(record);
    return null;
  });
}

/** The jobs of the ids, in their order, in one round trip. */
export async function readJobs(redis: Redis, keys: Keys, ids: readonly string[]): Promise<ReadRecord[]> {
  if (ids.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hgetall(keys.job(id));
  const replies = (await pipeline.exec()) ?? [];
  return ids.map((id, index) => {
    const [error, hash] = replies[index] ?? [null, null];
    if (error) throw error;
    return toRecordOrError(hash, id);
  });
}

function toRecordOrError(hash: unknown, id: string): ReadRecord {
  try {
    return toJobRecord(hash, id);
  } catch (error) {
    if (error instanceof RedisReplyError) return error;
    throw error;
  }
}

function matches(record: JobRecord, filter: JobFilter): boolean {
  const { spec } = record;
  return (
    (filter.status === undefined || record.status === filter.status) &&
    (filter.operation === undefined || spec.operation === filter.operation) &&
    (filter.model === undefined || spec.model === filter.model || spec.requestedModel === filter.model) &&
    (filter.batchId === undefined || spec.batchId === filter.batchId) &&
    (filter.createdFrom === undefined || record.createdAt >= filter.createdFrom) &&
    (filter.createdTo === undefined || record.createdAt <= filter.createdTo) &&
    Object.entries(filter.metadata ?? {}).every(([key, value]) => spec.metadata[key] === value)
  );
}
