// Compares attempts, records and storage of a live system. Reads only; in chunks, so that neither Redis is held up nor much
// memory is needed, whatever the number of jobs.
import type { Keys } from '@darkroom/shared/base/keys.ts';
import type { ImageStore } from '@darkroom/shared/images/store.ts';
import type { Redis } from 'ioredis';
import { auditJobs } from './audit-jobs.ts';
import { auditKeys } from './audit-keys.ts';
import { auditLanes } from './audit-lanes.ts';
import { auditOpenJobs, auditSpooled } from './audit-lists.ts';
import { auditStoredBytes } from './audit-stored-bytes.ts';
import { type Report, ReportBook } from './report.ts';

export interface AuditOptions {
  /** Also reads every image and compares its SHA-256. */
  readonly deep: boolean;
  /** Longest upstream attempt, ms. */
  readonly callTimeoutMs: number;
  /** How long a dead worker keeps its calls, ms. */
  readonly lockMs: number;
  /** How long ended jobs are kept, ms; Infinity = for ever. */
  readonly retentionMs: number;
  /** Before the second look at what is suspicious, ms. */
  readonly settleMs: number;
  /** Findings kept of each kind. */
  readonly examples: number;
}

export interface AuditDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly store: ImageStore;
  readonly options?: Partial<AuditOptions>;
}

/** What the parts of the audit work with. */
export interface Audit {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly store: ImageStore;
  readonly options: AuditOptions;
  readonly book: ReportBook;
}

const DEFAULT_OPTIONS: AuditOptions = {
  deep: false,
  callTimeoutMs: 600_000,
  lockMs: 60_000,
  retentionMs: 30 * 86_400_000,
  settleMs: 2_000,
  examples: 10,
};

/** Throws when Redis or the storage can't be read: nothing is said about a system that was seen in part. */
export async function auditSystem({ redis, keys, store, options }: AuditDeps): Promise<Report> {
  const all = { ...DEFAULT_OPTIONS, ...options };
  const audit: Audit = { redis, keys, store, options: all, book: new ReportBook(all) };
  await auditJobs(audit);
  await auditOpenJobs(audit);
  await auditSpooled(audit);
  await auditKeys(audit);
  await auditLanes(audit);
  await auditStoredBytes(audit);
  return audit.book.close();
}
