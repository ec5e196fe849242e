// A job against the lists and queues it should stand in, and what an open job needs to end. Pure.
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { JobTimes } from './compare-job.ts';
import type { Finding, FindingKind } from './findings.ts';
import type { JobBooks } from './job-books.ts';

/** What the sweep mends within half a minute is not worth a word before that. */
const YOUNG_MS = 60_000;

export function compareJobLists(books: JobBooks, { now }: JobTimes): Finding[] {
  const { record, isListed, isListedOpen, missingInputs } = books;
  const say = (kind: FindingKind, detail: string): Finding => ({ kind, subject: record.id, detail });
  return [
    ...(isListed ? [] : [say('job_unlisted', `account ${record.spec.account}`)]),
    ...(isListedOpen === hasEnded(record) ? [say('open_list', isListedOpen ? 'has ended' : 'is missing')] : []),
    ...missingInputs.map((sha256) => say('input_missing', sha256)),
    ...(hasEnded(record) ? [] : [...findOverdue(record, now), ...findWithoutItem(books, now)]),
  ];
}

/** Calls under way may finish; nothing else may keep a job open past its time. */
function findOverdue(record: JobRecord, now: number): Finding[] {
  if (now < record.expiresAt + YOUNG_MS) return [];
  return callsThatWait(record).map((call) => ({ kind: 'job_overdue', subject: record.id, detail: `call ${call}` }));
}

function findWithoutItem({ record, queued }: JobBooks, now: number): Finding[] {
  if (now - lastTouched(record) < YOUNG_MS) return [];
  return callsThatWait(record)
    .filter((call) => !queued.has(call))
    .map((call) => ({ kind: 'call_without_item', subject: record.id, detail: `call ${call}` }));
}

/** Calls neither under way nor spooled. */
function callsThatWait(record: JobRecord): number[] {
  return [...record.calls.keys()].filter((k) => {
    const call = record.calls[k];
    return call?.outcome === '' && call.open === 0 && (call.spooled ?? 0) === 0;
  });
}

/** When a step last made or moved something of it, as far as its rows tell, unix ms. */
function lastTouched({ createdAt, expiresAt, spec, attempts }: JobRecord): number {
  const times = attempts.flatMap(({ at, endedAt = 0 }) => [at, endedAt]);
  return Math.max(createdAt, expiresAt - spec.expiresAfterSeconds * 1_000, ...times);
}
