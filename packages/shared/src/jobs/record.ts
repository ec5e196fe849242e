// The job as it lies in Redis, and how it is read. The Lua steps in jobs/lua are the only writers; lua/lib.lua lists
// the fields. Times are unix ms, money is integer micro-USD.
import type { PublicError } from '../base/errors.ts';
import type { ImageFormat } from '../images/keys.ts';
import type { Operation } from '../models/rules.ts';
import type { Priority } from '../requests/submission.ts';

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

/** What was asked and how it is cut into calls. Written once, with the job. */
export interface JobSpec {
  readonly account: string;
  readonly operation: Operation;
  readonly model: string;
  readonly requestedModel: string | null;
  readonly lane: string;
  /** The caller's body as accepted. */
  readonly input: Readonly<Record<string, unknown>>;
  /** The body sent upstream, without `n`. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Image indexes of each call. */
  readonly calls: readonly (readonly number[])[];
  readonly outputFormat: ImageFormat;
  readonly downscaleTo: { readonly width: number; readonly height: number } | null;
  readonly warnings: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly priority: Priority;
  readonly expiresAfterSeconds: number;
  readonly batchId: string | null;
  readonly customId: string | null;
}

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
  readonly outcome: '' | 'succeeded' | 'failed' | 'withheld';
  readonly error?: StoredError | null;
}

export type AttemptOutcome = 'succeeded' | 'rejected' | 'failed' | 'unknown';

export interface AttemptRow {
  readonly at: number;
  readonly endedAt?: number;
  readonly answeredAt?: number;
  readonly outcome: AttemptOutcome | null;
  readonly run: number;
  readonly upstreamKey: string;
  readonly images: readonly number[];
  readonly status?: number;
  readonly code?: string | null;
  readonly requestId?: string | null;
  /** What it cost; null = no price is known; absent while it is not known to have been paid. */
  readonly costMicroUsd?: number | null;
  /** The most it can have cost; null = no price is known. */
  readonly upperBoundMicroUsd: number | null;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
}

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
}

export function hasEnded(record: Pick<JobRecord, 'status'>): boolean {
  return record.status !== 'queued' && record.status !== 'in_progress';
}

/** A job's hash as HGETALL returns it → the record; null when there is none. */
export function toJobRecord(hash: Readonly<Record<string, string>>): JobRecord | null {
  if (hash['id'] === undefined || hash['spec'] === undefined) return null;
  const spec = JSON.parse(hash['spec']) as JobSpec;
  return {
    id: hash['id'],
    spec,
    status: hash['status'] as JobStatus,
    run: Number(hash['run']),
    createdAt: Number(hash['createdAt']),
    startedAt: toTime(hash['startedAt']),
    finishedAt: toTime(hash['finishedAt']),
    expiresAt: Number(hash['expiresAt']),
    cancelAt: toTime(hash['cancelAt']),
    calls: spec.calls.map((_, k) => JSON.parse(hash[`call:${k}`] ?? 'null') as CallState),
    attempts: readAttempts(hash),
    images: readImages(hash),
  };
}

function toTime(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

function readAttempts(hash: Readonly<Record<string, string>>): JobRecord['attempts'] {
  const rows: (AttemptRow & { call: number; seq: number })[] = [];
  for (const [field, value] of Object.entries(hash)) {
    const match = /^attempt:(\d+)\.(\d+)$/.exec(field);
    if (match) rows.push({ call: Number(match[1]), seq: Number(match[2]), ...(JSON.parse(value) as AttemptRow) });
  }
  return rows.sort((a, b) => a.at - b.at || a.call - b.call || a.seq - b.seq);
}

function readImages(hash: Readonly<Record<string, string>>): ReadonlyMap<number, ImageRow> {
  const images: ImageRow[] = [];
  for (const [field, value] of Object.entries(hash)) {
    if (field.startsWith('image:')) images.push(JSON.parse(value) as ImageRow);
  }
  return new Map(images.sort((a, b) => a.index - b.index).map((image) => [image.index, image]));
}
