// Walks through all jobs and all stored images side by side, both in the order of their keys, so that each page of the
// storage is read once and nothing but the jobs' ids is held in memory.
import { possibleExtraOf } from '@darkroom/shared/jobs/public-job.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { Audit } from './audit.ts';
import { compareJob } from './compare-job.ts';
import { eachLimited } from './each-limited.ts';
import type { Finding } from './findings.ts';
import { type JobPlace, readJobBooks, readPlace } from './job-books.ts';
import { isStillKept } from './retention.ts';
import { placesOf } from './walk-jobs.ts';

const JOBS_A_CHUNK = 100;
const JOBS_AT_ONCE = 25;

export async function auditJobs(audit: Audit): Promise<void> {
  let chunk: JobPlace[] = [];
  for await (const place of placesOf(audit)) {
    chunk.push(place);
    if (chunk.length < JOBS_A_CHUNK) continue;
    await eachLimited(chunk, JOBS_AT_ONCE, (each) => auditJob(audit, each));
    chunk = [];
  }
  await eachLimited(chunk, JOBS_AT_ONCE, (each) => auditJob(audit, each));
}

async function auditJob(audit: Audit, place: JobPlace): Promise<void> {
  const findings = await lookAt(audit, place, (record) => count(audit, record));
  const { account, jobId } = place;
  const [first] = findings;
  // A record that is no longer kept does not come back, and there may be very many.
  if (first?.kind === 'image_retention_over') audit.book.add(first);
  else await audit.book.suspect(findings, async () => lookAt(audit, await readPlace(audit, account, jobId)));
}

async function lookAt(audit: Audit, place: JobPlace, onRecord?: (record: JobRecord) => void): Promise<Finding[]> {
  const { callTimeoutMs, lockMs, retentionMs } = audit.options;
  const subject = place.jobId;
  const books = await readJobBooks(audit, place);
  if (books === 'unreadable') return [{ kind: 'record_unreadable', subject, detail: '' }];
  if (books === null) {
    if (place.stored.size === 0) return []; // an id left on its account's list: the sweep takes it off
    const kind = isStillKept(subject, Date.now(), retentionMs) ? 'image_without_job' : 'image_retention_over';
    return [{ kind, subject, detail: `account ${place.account}, ${place.stored.size} objects` }];
  }
  onRecord?.(books.record);
  return compareJob(books, { now: Date.now(), callTimeoutMs, lockMs });
}

function count({ book: { looked, money } }: Audit, record: JobRecord): void {
  looked.jobs += 1;
  looked.images += record.images.size;
  looked.attempts += record.attempts.length;
  for (const attempt of record.attempts) {
    if (typeof attempt.costMicroUsd === 'number') money.billedMicroUsd += attempt.costMicroUsd;
    if (attempt.costMicroUsd === null) money.unpriced += 1;
    const extra = possibleExtraOf(attempt);
    if (extra === null) money.unboundedExtra += 1;
    else money.possibleExtraMicroUsd += extra;
  }
}
