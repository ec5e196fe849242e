// Reads an account's event stream in Redis: the newest events in order, about 10,000 of them (jobs/lua/lib.lua writes and
// bounds it). A position is the id of an entry: where a reader stands after it has seen that entry.
import type { ChainableCommander, Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';

/** Before every entry. */
export const BEGINNING = '0-0';

export const EVENT_TYPES: readonly string[] = [
  'job.queued',
  'job.in_progress',
  'job.completed',
  'job.incomplete',
  'job.failed',
  'job.cancelled',
  'job.expired',
  'image.completed',
  'batch.completed',
  'batch.failed',
  'batch.expired',
  'batch.cancelled',
];

export interface EventEntry {
  /** Its position. */
  readonly id: string;
  readonly type: string;
  /** null for an event of a batch itself. */
  readonly jobId: string | null;
  readonly batchId: string | null;
  /** Of the job or batch, after the event. */
  readonly status: string;
  readonly run: number;
  /** Counts the events of the job or batch, from 1. */
  readonly sequence: number;
  /** Index of the image of an `image.completed`. */
  readonly image: number | null;
}

export interface EventPage {
  readonly entries: readonly EventEntry[];
  /** Where to read on. */
  readonly position: string;
  /** There may be more. */
  readonly isFull: boolean;
  /** Entries after the asked position are gone: they were trimmed, or Redis lost them. */
  readonly hasGap: boolean;
}

export interface EventLog {
  /** At most `limit` entries after a position. */
  read(account: string, after: string, limit: number): Promise<EventPage>;
  /** The position of the newest entry. */
  newest(account: string): Promise<string>;
  /** Whether every entry after a position is still kept. */
  isKept(account: string, after: string): Promise<boolean>;
}

type RawEntry = [id: string, fields: string[]];

export function buildEventLog(redis: Redis, keys: Keys): EventLog {
  const isBehind = async (account: string, after: string, oldest: RawEntry | undefined): Promise<boolean> =>
    oldest !== undefined &&
    comparePositions(after, oldest[0]) < 0 &&
    (await wasTrimmed(redis, keys.accountEvents(account)));
  const edgesOf = async (account: string): Promise<{ oldest: RawEntry | undefined; newest: string }> => {
    const key = keys.accountEvents(account);
    const [first, last] = await run(
      redis.pipeline().xrange(key, '-', '+', 'COUNT', 1).xrevrange(key, '+', '-', 'COUNT', 1),
    );
    return { oldest: first?.[0], newest: last?.[0]?.[0] ?? BEGINNING };
  };
  return {
    newest: async (account) => (await edgesOf(account)).newest,
    async isKept(account, after) {
      const { oldest, newest } = await edgesOf(account);
      return comparePositions(after, newest) <= 0 && !(await isBehind(account, after, oldest));
    },
    async read(account, after, limit) {
      const key = keys.accountEvents(account);
      const [raw = [], first] = await run(
        redis.pipeline().xrange(key, `(${after}`, '+', 'COUNT', limit).xrange(key, '-', '+', 'COUNT', 1),
      );
      return {
        entries: raw.map(toEntry),
        position: raw.at(-1)?.[0] ?? after,
        isFull: raw.length === limit,
        hasGap: raw.length > 0 && (await isBehind(account, after, first?.[0])),
      };
    },
  };
}

/** Redis 7 counts what was ever added; before that, a stream shorter than its bound was never trimmed. */
async function wasTrimmed(redis: Redis, key: string): Promise<boolean> {
  const info = (await redis.xinfo('STREAM', key)) as (string | number)[];
  const fact = (name: string): number | null => {
    const at = info.indexOf(name);
    return at < 0 ? null : Number(info[at + 1]);
  };
  const length = fact('length') ?? 0;
  const added = fact('entries-added');
  return added === null ? length >= EVENTS_KEPT : added > length;
}

/** As in jobs/lua/lib.lua. */
const EVENTS_KEPT = 10_000;

async function run(pipeline: ChainableCommander): Promise<RawEntry[][]> {
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, reply]) => {
    if (error) throw error;
    return reply as RawEntry[];
  });
}

function toEntry([id, flat]: RawEntry): EventEntry {
  const fields = new Map(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ''] as const] : [])));
  const text = (name: string): string => fields.get(name) ?? '';
  return {
    id,
    type: text('type'),
    jobId: text('job') || null,
    batchId: text('batch') || null,
    status: text('status'),
    run: Number(text('run')),
    sequence: Number(text('sequence')),
    image: text('image') === '' ? null : Number(text('image')),
  };
}

/** Less than 0 when `a` comes before `b`. */
export function comparePositions(a: string, b: string): number {
  const [aMs, aSeq] = split(a);
  const [bMs, bSeq] = split(b);
  return aMs - bMs || aSeq - bSeq;
}

/** Whether a text can be a position. */
export function isPosition(text: string): boolean {
  return /^\d{1,15}-\d{1,15}$/.test(text);
}

/** The greatest position before a given one. */
export function positionBefore(position: string): string {
  const [ms, seq] = split(position);
  if (seq > 0) return `${ms}-${seq - 1}`;
  return ms === 0 ? BEGINNING : `${ms - 1}-${LARGEST_SEQUENCE}`;
}

const LARGEST_SEQUENCE = 999_999_999_999_999;

function split(position: string): [ms: number, seq: number] {
  const [ms, seq] = position.split('-');
  return [Number(ms), Number(seq)];
}
