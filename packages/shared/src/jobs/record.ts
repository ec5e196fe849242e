// The job as it lies in Redis, and how it is read. The Lua steps in jobs/lua are the only writers; lua/lib.lua lists
// the fields. Times are unix ms, money is integer micro-USD.
import type { PublicError } from '../base/errors.ts';
import { assertFields, type Fields, RedisReplyError, readHash, readJsonObject } from '../base/redis-reply.ts';
import { imageKey } from '../images/keys.ts';
import { decodeSpec, type JobSpec } from './spec.ts';

export type JobStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled' | 'expired';
export const JOB_STATUSES: readonly JobStatus[] = [
  'queued',
  'in_progress',
  'completed',
  'incomplete',
  'failed',
  'cancelled',
  'expired',
];

export interface StoredError extends Partial<Omit<PublicError, 'code'>> {
  readonly code: string | null;
  /** The upstream's HTTP status. */
  readonly status?: number;
  readonly requestId?: string | null;
}

export interface CallState {
  /** Attempts of all runs; the number of the newest attempt. */
  readonly attempts: number;
  /** Failed attempts of this run that count towards MAX_ATTEMPTS. */
  readonly failed: number;
  readonly unknown: number;
  readonly moderated: number;
  /** Number of the attempt under way, 0 = none. */
  readonly open: number;
  /** Attempts whose answers are paid and wait for storage; absent = none. */
  readonly spooled?: number;
  readonly outcome: '' | 'succeeded' | 'failed' | 'withheld';
  readonly error?: StoredError | null;
}

export type AttemptOutcome = 'succeeded' | 'rejected' | 'failed' | 'unknown';

/** An answer that is paid, but whose images are not all in storage yet: where they wait. */
export interface SpooledAnswerRow {
  /** Until when they can be had, unix ms; after that they count as lost. */
  readonly until: number;
  /** The host whose spool holds images of it; null when only links are left. */
  readonly host: string | null;
  /** In the order of `images`: links still to be followed; null = it is not a link, or it has been followed. */
  readonly links?: readonly (string | null)[];
  /** In the same order, with links; absent = there are none. */
  readonly revisedPrompts?: readonly (string | null)[];
  /** In the same order: why a link did not lead to its image when it was followed last; absent = none was followed. */
  readonly reasons?: readonly (string | null)[];
  /** How many images the answer brought. */
  readonly images: number;
  /** Why one of them can never be had. */
  readonly lost?: StoredError;
}

export interface AttemptRow {
  readonly at: number;
  readonly endedAt?: number;
  readonly answeredAt?: number;
  readonly outcome: AttemptOutcome | null;
  readonly run: number;
  /** The permit it was sent under: a gate asked twice under one permit opens once. */
  readonly permit?: string;
  readonly upstreamKey: string;
  readonly images: readonly number[];
  readonly status?: number;
  readonly code?: string | null;
  readonly requestId?: string | null;
  /** What it cost; null = no price is known; absent while it is not known to have been paid. */
  readonly costMicroUsd?: number | null;
  /**
   * The most it may have cost that is not in `costMicroUsd`: for images that did not come, and, of a reply that broke off before
   * it told a price, for all. null = no price is known; absent = nothing.
   */
  readonly extraMicroUsd?: number | null;
  /** How many images came; absent when all did. */
  readonly cameImages?: number;
  /** The most it can have cost; null = no price is known. Absent once it has succeeded. */
  readonly upperBoundMicroUsd?: number | null;
  readonly inputTokens?: number;
  /** Those of `inputTokens` that input images took; the others are text. Absent when 0. */
  readonly inputImageTokens?: number;
  readonly outputTokens?: number;
  readonly spooled?: SpooledAnswerRow;
  /** Absent when the upstream said nothing that does not stand in `spec.body` (the format: in `spec.outputFormat`). */
  readonly echo?: ReplyEcho;
}

/** What the upstream says it has made, where that is not what was sent: what `auto`, or a field left out, became. */
export type ReplyEcho = Readonly<Partial<Record<'background' | 'output_format' | 'quality' | 'size', string>>>;

/** An image in storage, measured from its bytes. */
export interface ImageRow {
  readonly index: number;
  readonly key: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  readonly sha256: string;
  readonly revisedPrompt: string | null;
}

/** As it lies in Redis: `revisedPrompt` only when there is one. */
export type StoredImageRow = Omit<ImageRow, 'key' | 'revisedPrompt'> & { readonly revisedPrompt?: string };

export function toStoredImageRow({ key: _, revisedPrompt, ...row }: ImageRow): StoredImageRow {
  return revisedPrompt === null ? row : { ...row, revisedPrompt };
}

export interface JobRecord {
  readonly id: string;
  readonly spec: JobSpec;
  readonly status: JobStatus;
  readonly run: number;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly expiresAt: number;
  readonly cancelAt: number | null;
  readonly calls: readonly CallState[];
  readonly attempts: readonly (AttemptRow & { readonly call: number; readonly seq: number })[];
  readonly images: ReadonlyMap<number, ImageRow>;
  /** How many events it had. */
  readonly sequence: number;
  /** Where its newest event stands in the account's event stream; null while it had none. */
  readonly lastEvent: string | null;
}

export function hasEnded(record: Pick<JobRecord, 'status'>): boolean {
  return record.status !== 'queued' && record.status !== 'in_progress';
}

/** The `state` field; lua/lib.lua says what each is. */
interface StoredState {
  readonly id: string;
  readonly account: string;
  readonly batch?: string;
  readonly run: number;
  readonly status: JobStatus;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly expiresAt: number;
  readonly cancelAt?: number;
  readonly sequence: number;
  readonly event?: string;
}

const STATE: Fields = [
  ['id', 'text'],
  ['account', 'text'],
  ['run', 'number'],
  ['status', new Set(JOB_STATUSES)],
  ['createdAt', 'number'],
  ['expiresAt', 'number'],
  ['sequence', 'number'],
];
const CALL: Fields = [
  ['attempts', 'number'],
  ['failed', 'number'],
  ['unknown', 'number'],
  ['moderated', 'number'],
  ['open', 'number'],
  ['outcome', new Set<CallState['outcome']>(['', 'succeeded', 'failed', 'withheld'])],
];
const ATTEMPT: Fields = [
  ['at', 'number'],
  ['outcome', new Set<AttemptRow['outcome']>([null, 'succeeded', 'rejected', 'failed', 'unknown'])],
  ['run', 'number'],
  ['upstreamKey', 'text'],
  ['images', 'list'],
];
const IMAGE: Fields = [
  ['index', 'number'],
  ['contentType', 'text'],
  ['bytes', 'number'],
  ['width', 'number'],
  ['height', 'number'],
  ['sha256', 'text'],
];

/**
 * A job's hash as HGETALL returns it → the record; null when there is none. Throws RedisReplyError for anything but the
 * record of that job, with the field that is wrong.
 */
export function toJobRecord(reply: unknown, id: string): JobRecord | null {
  const place = `job:${id}`;
  const hash = readHash(reply, place);
  if (hash === null) return null;
  const state = toState(hash['state'], id, place);
  const spec = decodeSpec(hash['spec'], { account: state.account, batchId: state.batch ?? null }, place);
  return {
    id,
    spec,
    status: state.status,
    run: state.run,
    createdAt: state.createdAt,
    startedAt: state.startedAt ?? null,
    finishedAt: state.finishedAt ?? null,
    expiresAt: state.expiresAt,
    cancelAt: state.cancelAt ?? null,
    calls: spec.calls.map((_, k) => toCall(hash, k, place)),
    attempts: readAttempts(hash, place),
    images: readImages(hash, id, spec),
    sequence: state.sequence,
    lastEvent: state.event ?? null,
  };
}

function toState(text: string | undefined, id: string, place: string): StoredState {
  const state = readJsonObject(text, `${place} state`);
  assertFields(state, STATE, `${place} state`);
  if (state['id'] !== id) throw new RedisReplyError(`${place} state id`, 'of this job', state['id']);
  return state as unknown as StoredState;
}

/** The status in a job's `state`, the field as HGET returns it; null when there is no job. */
export function toJobStatus(text: unknown, id: string): JobStatus | null {
  return text === null ? null : toState(text as string, id, `job:${id}`).status;
}

/** A job as `create-job.lua` has just recorded it. */
export function toNewRecord(id: string, spec: JobSpec, createdAt: number): JobRecord {
  return {
    id,
    spec,
    status: 'queued',
    run: 1,
    createdAt,
    startedAt: null,
    finishedAt: null,
    expiresAt: createdAt + spec.expiresAfterSeconds * 1_000,
    cancelAt: null,
    calls: spec.calls.map(() => NEW_CALL),
    attempts: [],
    images: new Map(),
    sequence: 0,
    lastEvent: null,
  };
}

const NEW_CALL: CallState = { attempts: 0, failed: 0, unknown: 0, moderated: 0, open: 0, outcome: '' };

/** A call that succeeded has no row of its own any more: its images tell. */
const SUCCEEDED: CallState = { attempts: 0, failed: 0, unknown: 0, moderated: 0, open: 0, outcome: 'succeeded' };

function toCall(hash: Readonly<Record<string, string>>, call: number, place: string): CallState {
  const text = hash[`call:${call}`];
  return text === undefined ? SUCCEEDED : (toRow(text, CALL, `${place} call:${call}`) as unknown as CallState);
}

function toRow(text: string, fields: Fields, place: string): Readonly<Record<string, unknown>> {
  const row = readJsonObject(text, place);
  assertFields(row, fields, place);
  return row;
}

function readAttempts(hash: Readonly<Record<string, string>>, place: string): JobRecord['attempts'] {
  const rows: (AttemptRow & { call: number; seq: number })[] = [];
  for (const [field, value] of Object.entries(hash)) {
    const match = /^attempt:(\d+)\.(\d+)$/.exec(field);
    if (match === null) continue;
    const row = toRow(value, ATTEMPT, `${place} ${field}`) as unknown as AttemptRow;
    rows.push({ call: Number(match[1]), seq: Number(match[2]), ...row });
  }
  return rows.sort((a, b) => a.at - b.at || a.call - b.call || a.seq - b.seq);
}

/** A row in Redis lacks what follows from its job: its key. */
function readImages(hash: Readonly<Record<string, string>>, id: string, spec: JobSpec): ReadonlyMap<number, ImageRow> {
  const images: ImageRow[] = [];
  for (const [field, value] of Object.entries(hash)) {
    if (!field.startsWith('image:')) continue;
    const row = toRow(value, IMAGE, `job:${id} ${field}`) as unknown as StoredImageRow;
    const key = imageKey(spec.account, id, row.index, spec.outputFormat);
    images.push({ revisedPrompt: null, ...row, key });
  }
  return new Map(images.sort((a, b) => a.index - b.index).map((image) => [image.index, image]));
}
