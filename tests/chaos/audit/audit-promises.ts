// Never lie: what callers were promised against the records. A job that was named exists, every job ends, one request makes
// one job, a batch's lines are answered once each, and what a sync client was given is what was made for it.

import type { CallerNote } from '../load/notes.ts';
import type { BatchBook, Books, Findings, JobBook, Violation } from './books.ts';

const ENDED = /^(completed|incomplete|failed|cancelled|expired)$/;

export function auditPromises(books: Books): Findings {
  const byId = new Map(books.jobs.map((book) => [book.job.id, book]));
  const promised = books.notes.flatMap(({ jobIds }) => jobIds);
  const lost = promised.filter((id) => !byId.has(id));
  const open = books.jobs.filter(({ job }) => !ENDED.test(job.status));
  const violations: Violation[] = [
    ...lost.map((id) => ({ kind: 'job lost', jobId: id, message: 'it was named to its caller and is not there' })),
    ...open.map(({ job, attempts }) => ({
      kind: 'job without end',
      jobId: job.id,
      message: `${job.status}\n    ${JSON.stringify(attempts)}`,
    })),
    ...books.jobs.flatMap(openAttempts),
    ...unrestOf(books),
    ...books.timeline
      .filter(({ what }) => what === 'ended by itself')
      .map(({ process, facts }) => ({
        kind: 'process ended by itself',
        jobId: null,
        message: `${process} ${JSON.stringify(facts)}`,
      })),
    ...twiceMade(books),
    ...strangers(books),
    ...books.batches.flatMap(wrongBatch),
    ...books.notes.flatMap((note) => wrongAnswer(byId, note)),
  ];
  const statuses = Object.groupBy(books.jobs, ({ job }) => job.status);
  return {
    figures: {
      'jobs asked for': books.notes.length + books.batches.reduce((sum, { note }) => sum + note.batch.lines, 0),
      '  acknowledged': new Set(promised).size,
      '  callers left without any answer': books.notes.filter(
        ({ jobIds, status }) => jobIds.length === 0 && status === null,
      ).length,
      'jobs recorded': books.jobs.length,
      ...Object.fromEntries(Object.entries(statuses).map(([status, jobs]) => [`  ${status}`, jobs?.length ?? 0])),
      'jobs lost': lost.length,
      'jobs without end': open.length,
      batches: books.batches.filter(({ note }) => note.batchId !== null).length,
      'sync clients given images': books.notes.filter(({ images }) => images !== null).length,
    },
    violations,
  };
}

function openAttempts({ job, attempts }: JobBook): Violation[] {
  return attempts
    .filter(({ outcome }) => outcome === null)
    .map((row) => ({ kind: 'attempt without end', jobId: job.id, message: JSON.stringify(row) }));
}

function unrestOf({ unrest }: Books): Violation[] {
  return Object.entries(unrest)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => ({ kind: 'not at rest', jobId: null, message: `${name}: ${count}` }));
}

/** Each prompt was asked for once, whatever its client had to repeat. */
function twiceMade({ jobs }: Books): Violation[] {
  const byMark = Map.groupBy(
    jobs.filter(({ job }) => job.metadata['chaos'] !== undefined),
    ({ job }) => job.metadata['chaos'],
  );
  return [...byMark.values()]
    .filter((same) => same.length > 1)
    .map((same) => ({
      kind: 'one request made two jobs',
      jobId: same[0]?.job.id ?? null,
      message: same.map(({ job }) => `${job.id} ${job.status} created ${job.created_at}`).join(', '),
    }));
}

/** What one account has asked for stands in its own list and in no other. */
function strangers({ jobs, notes }: Books): Violation[] {
  const asked = new Map(notes.flatMap(({ job, jobIds }) => jobIds.map((id) => [id, job.account] as const)));
  return jobs
    .filter(({ account, job }) => (asked.get(job.id) ?? account) !== account)
    .map(({ account, job }) => ({ kind: 'job of another account', jobId: job.id, message: `listed for ${account}` }));
}

function wrongBatch({ note, status, lines }: BatchBook): Violation[] {
  if (note.batchId === null) return [];
  const wrong = Array.from({ length: note.batch.lines }, (_, line) => `line-${line}`).filter(
    (id) => lines.get(id) !== 1,
  );
  if (status === 'completed' && wrong.length === 0) return [];
  const message = `${note.batchId} is ${status}; lines that are not there once: ${wrong.slice(0, 10).join(' ')} (${wrong.length})`;
  return [{ kind: 'batch not whole', jobId: null, message }];
}

function wrongAnswer(byId: ReadonlyMap<string, JobBook>, note: CallerNote): Violation[] {
  if (new Set(note.jobIds).size > 1)
    return [{ kind: 'one request, two job ids', jobId: note.jobIds[0] ?? null, message: note.jobIds.join(' ') }];
  if (note.images === null) return [];
  const book = byId.get(note.jobIds[0] ?? '');
  const own = new Set(book?.job.images.map(({ sha256 }) => sha256));
  const foreign = note.images.filter((sha256) => !own.has(sha256));
  // Given some, a client may have had the others made afterwards.
  const isWhole = note.images.length === own.size || note.hasRetried;
  if (foreign.length === 0 && isWhole && note.images.length > 0) return [];
  return [
    {
      kind: 'sync client answered wrongly',
      jobId: note.jobIds[0] ?? null,
      message: `asked for ${JSON.stringify(note.job.input)}, given ${note.images.length} images, ${foreign.length} of them not its job's; its job has ${own.size}`,
    },
  ];
}
