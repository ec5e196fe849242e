// The batch as it lies in Redis, and how it is read. Written by the Lua steps in batches/lua, and by the job steps that
// tick it. Times are unix ms, money is integer micro-USD.
import { assertFields, type Fields, RedisReplyError, readHash, readJsonObject, readWord } from '../base/redis-reply.ts';
import type { BatchEndpoint } from '../requests/batch-line.ts';
import type { Priority } from '../requests/envelope.ts';

export type BatchStatus =
  | 'validating'
  | 'failed'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'expired'
  | 'cancelling'
  | 'cancelled';

const ENDED: ReadonlySet<BatchStatus> = new Set<BatchStatus>(['failed', 'completed', 'expired', 'cancelled']);

/** What was asked. Written once. */
export interface BatchSpec {
  readonly account: string;
  /** The endpoint all lines address; null when each names its own (inline requests). */
  readonly endpoint: BatchEndpoint | null;
  /** The caller's file; null for inline requests. */
  readonly inputFileId: string | null;
  /** Where the lines lie in storage. */
  readonly inputKey: string;
  /** `1h`…`24h`, as given. */
  readonly completionWindow: string;
  readonly windowMs: number;
  readonly onInvalid: 'reject' | 'skip';
  /** Of lines that name none. */
  readonly priority: Priority;
  readonly metadata: Readonly<Record<string, string>>;
  readonly webhook: { readonly url: string; readonly events: readonly string[] } | null;
}

/** A problem of the input, as in OpenAI's `errors.data[]`; `line` counts from 1. */
export interface BatchProblem {
  readonly code: string;
  readonly line: number | null;
  readonly message: string;
  readonly param: string | null;
}

export interface BatchRecord {
  readonly id: string;
  readonly spec: BatchSpec;
  readonly status: BatchStatus;
  readonly run: number;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** When each status was reached. */
  readonly at: Readonly<Partial<Record<BatchStatus, number>>>;
  /** Lines of the input; 0 until they are counted. */
  readonly total: number;
  /** Lines refused by validation with `on_invalid: skip`. */
  readonly invalid: number;
  /** Lines whose custom_id stands on an earlier one: refused, with `on_invalid: skip`. */
  readonly duplicates: ReadonlySet<number>;
  /** Lines fed in any run: a job missing among them is no longer kept, and never made again. */
  readonly fedLine: number;
  /** Lines up to here may have jobs: their feeding has begun in some run. */
  readonly reachedLine: number;
  /** Jobs of this run that the window's end has stopped. */
  readonly expired: number;
  /** Where feeding goes on: bytes and lines of the input that are done. */
  readonly cursor: { readonly byte: number; readonly line: number };
  readonly submitted: number;
  readonly completed: number;
  readonly failed: number;
  readonly images: number;
  /** null when a price was unknown. */
  readonly costMicroUsd: number | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly problems: readonly BatchProblem[];
  /** How it will end, once finalizing. */
  readonly ending: BatchStatus | null;
  /** Of the newest run that has ended; null = none was written. */
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  /** How many events it had itself. */
  readonly sequence: number;
  /** Where its newest event stands in the account's event stream; null while it had none. */
  readonly lastEvent: string | null;
}

export function hasBatchEnded(record: Pick<BatchRecord, 'status'>): boolean {
  return ENDED.has(record.status);
}

const STATUSES: ReadonlySet<BatchStatus> = new Set([...ENDED, 'validating', 'in_progress', 'finalizing', 'cancelling']);
const SPEC: Fields = [
  ['account', 'text'],
  ['inputKey', 'text'],
  ['windowMs', 'number'],
  ['onInvalid', 'text'],
];

/**
 * A batch's hash as HGETALL returns it → the record; null when there is none. Throws RedisReplyError for anything but the
 * record of that batch, with the field that is wrong.
 */
export function toBatchRecord(reply: unknown, id: string): BatchRecord | null {
  const place = `batch:${id}`;
  const hash = readHash(reply, place);
  if (hash === null) return null;
  if (hash['id'] !== id) throw new RedisReplyError(`${place} id`, 'of this batch', hash['id']);
  const spec = readJsonObject(hash['spec'], `${place} spec`);
  assertFields(spec, SPEC, `${place} spec`);
  const count = (name: string, value = hash[name] ?? '0'): number => {
    if (!/^-?\d+$/.test(value)) throw new RedisReplyError(`${place} ${name}`, 'a whole number', value);
    return Number(value);
  };
  const times = Object.keys(hash).flatMap((name) => (name.startsWith('at:') ? [[name.slice(3), count(name)]] : []));
  return {
    id,
    spec: spec as unknown as BatchSpec,
    status: readWord(hash['status'], STATUSES, `${place} status`),
    run: count('run', hash['run'] ?? ''),
    createdAt: count('createdAt', hash['createdAt'] ?? ''),
    expiresAt: count('expiresAt', hash['expiresAt'] ?? ''),
    at: Object.fromEntries(times) as BatchRecord['at'],
    total: count('total'),
    invalid: count('invalid'),
    duplicates: new Set(JSON.parse(hash['duplicates'] ?? '[]') as number[]),
    fedLine: count('fedLine'),
    reachedLine: Math.max(count('fedLine'), count('reachedLine')),
    expired: count('expired'),
    cursor: { byte: count('cursorByte'), line: count('cursorLine') },
    submitted: count('submitted'),
    completed: count('completed'),
    failed: count('failed'),
    images: count('images'),
    costMicroUsd: hash['costUnknown'] === undefined ? count('costMicroUsd') : null,
    inputTokens: count('inputTokens'),
    outputTokens: count('outputTokens'),
    problems: JSON.parse(hash['problems'] ?? '[]') as BatchProblem[],
    ending: (hash['ending'] ?? null) as BatchStatus | null,
    outputFileId: hash['outputFileId'] ?? null,
    errorFileId: hash['errorFileId'] ?? null,
    sequence: count('sequence'),
    lastEvent: hash['event'] ?? null,
  };
}
