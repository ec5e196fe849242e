// Everything that happens to a job is told: to who follows the stream, and to the receiver of who asked for webhooks. The
// same event may come twice under its id; the same thing never under two.
import type { HeardEvent } from '../load/notes.ts';
import type { Books, DeliveryBook, Findings, JobBook, Violation } from './books.ts';

export function auditEvents(books: Books): Findings {
  const ofStreams = books.streams.map(({ account, heard }, at) => {
    const jobs = books.jobs.filter((job) => job.account === account);
    return withUntold(auditHeard(`follower ${at + 1}`, heard, jobs, expectedOfStream), heard, jobs);
  });
  const told = books.streams.flatMap(({ heard }) => heard);
  const types = new Map(told.map(({ id, type }) => [id, type]));
  const wanting = new Set(books.notes.filter(({ job }) => job.webhook !== null).flatMap(({ jobIds }) => jobIds));
  const ofHooks = auditHeard(
    'receiver',
    books.webhooks,
    books.jobs.filter(({ job }) => wanting.has(job.id)),
    (book) => expectedOfStream(book).filter((id) => !UNWANTED.has(types.get(id) ?? '')),
  );
  // What the receiver has refused is not the service's to answer for.
  const refused = new Set(books.deliveries.filter(isRefused).map(({ id }) => id));
  const all = [...ofStreams, { ...ofHooks, missing: ofHooks.missing.filter(({ id }) => !refused.has(id)) }];
  return {
    figures: {
      'events heard by followers': told.length,
      'webhooks received': books.webhooks.length,
      '  not yet: refused by their receiver': ofHooks.missing.length - (all.at(-1)?.missing.length ?? 0),
      'events missing': sum(all, ({ missing }) => missing.length),
      'events doubled under another id': sum(all, ({ doubled }) => doubled.length),
      'events doubled under the same id': sum(all, ({ repeats }) => repeats),
    },
    violations: all.flatMap(({ who, missing, doubled }): Violation[] => [
      ...missing.map(({ id, jobId }) => ({ kind: 'event missing', jobId, message: `${who} never heard ${id}` })),
      ...doubled.map(({ jobId, what }) => ({
        kind: 'event doubled under another id',
        jobId,
        message: `${who}: ${what}`,
      })),
    ]),
  };
}

/** No caller of a run has asked for these. */
const UNWANTED: ReadonlySet<string> = new Set(['job.queued', 'job.in_progress']);

interface Heard {
  readonly who: string;
  readonly missing: readonly { readonly id: string; readonly jobId: string }[];
  readonly doubled: readonly { readonly jobId: string; readonly what: string }[];
  readonly repeats: number;
}

function auditHeard(
  who: string,
  heard: readonly HeardEvent[],
  jobs: readonly JobBook[],
  expectedOf: (book: JobBook) => readonly string[],
): Heard {
  const ids = new Set(heard.map(({ id }) => id));
  const runs = new Map(jobs.map(({ job }) => [job.id, job.run]));
  const once = Map.groupBy(
    heard.filter((event) => event.once !== null),
    (event) => `${event.subject} ${event.once}`,
  );
  return {
    who,
    missing: jobs.flatMap((book) =>
      expectedOf(book)
        .filter((id) => !ids.has(id))
        .map((id) => ({ id, jobId: book.job.id })),
    ),
    doubled: [...once].flatMap(([what, events]) => {
      const different = [...new Set(events.map(({ id }) => id))];
      const [{ subject, once: kind } = { subject: '', once: null }] = events;
      const most = kind === 'end' ? (runs.get(subject) ?? 1) : 1;
      return different.length <= most ? [] : [{ jobId: subject, what: `${what} as ${different.join(', ')}` }];
    }),
    repeats: heard.length - ids.size,
  };
}

/** Each image and the end of each run have to be told, whatever the job counts as its events. */
function withUntold(found: Heard, heard: readonly HeardEvent[], jobs: readonly JobBook[]): Heard {
  const told = Map.groupBy(heard, ({ subject, once }) => `${subject} ${once}`);
  const timesTold = (job: string, once: string): number =>
    new Set(told.get(`${job} ${once}`)?.map(({ id }) => id)).size;
  const untold = jobs.flatMap(({ job }) => [
    ...(timesTold(job.id, 'end') < job.run ? [{ id: `the end of all ${job.run} runs`, jobId: job.id }] : []),
    ...job.images
      .filter(({ index }) => timesTold(job.id, `image ${index}`) === 0)
      .map(({ index }) => ({ id: `of image ${index}`, jobId: job.id })),
  ]);
  return { ...found, missing: [...found.missing, ...untold] };
}

/** Ids follow from the job and count from 1. */
function expectedOfStream({ job, sequence }: JobBook): string[] {
  return Array.from({ length: sequence }, (_, at) => `evt_${job.id.slice('job_'.length)}_${at + 1}`);
}

function isRefused({ state, tries }: DeliveryBook): boolean {
  const failed = tries.filter(({ status, error }) => status !== 200 && error !== 'worker_lost');
  return state === 'pending' && failed.length > 0;
}

function sum<T>(list: readonly T[], of: (one: T) => number): number {
  return list.reduce((total, one) => total + of(one), 0);
}
