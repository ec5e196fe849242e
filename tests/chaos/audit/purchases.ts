// Which of the upstream's requests belongs to which attempt, and what each brought: the ledger and the attempts side by
// side. Judges nothing.
import type { LedgerImage, LedgerRequest } from '../../support/simulator.ts';
import type { DeliveredReply } from '../world/wire-notes.ts';
import type { AttemptBook, Books, JobBook } from './books.ts';

export interface Purchase {
  readonly request: LedgerRequest;
  /** Billed for it. */
  readonly images: readonly LedgerImage[];
  /** Null when no attempt can have made it. */
  readonly attempt: AttemptBook | null;
  readonly job: JobBook | null;
  /** Its reply reached a worker whole; null when it did not. */
  readonly delivered: DeliveredReply | null;
  /** Since when Redis knew that it lay in a spool, unix ms; null when it never did. */
  readonly spooledAt: number | null;
}

/** Requests that were read by the upstream at all; those refused before have no prompt and cost nothing. */
export function purchasesOf(books: Books): Purchase[] {
  const imagesOf = Map.groupBy(books.ledger.images, ({ requestId }) => requestId);
  const delivered = new Map(books.delivered.map((row) => [row.requestId, row]));
  const spooled = new Map(books.spooled.map(({ jobId, call, seq, at }) => [`${jobId} ${call} ${seq}`, at]));
  const jobsOf = Map.groupBy(books.jobs, groupOfJob);
  const requestsOf = Map.groupBy(
    books.ledger.requests.filter(({ n }) => n !== null),
    groupOfRequest,
  );
  return [...requestsOf].flatMap(([group, requests]) =>
    pair(requests, jobsOf.get(group) ?? []).map(({ request, attempt, job }) => ({
      request,
      attempt,
      job,
      images: imagesOf.get(request.id) ?? [],
      delivered: delivered.get(request.id) ?? null,
      spooledAt: spooled.get(`${job?.job.id} ${attempt?.call} ${attempt?.seq}`) ?? null,
    })),
  );
}

/** Variations go upstream without a prompt of their own, so they are told apart as far as request ids go. */
const WITHOUT_PROMPT = 'without prompt';

function groupOfJob({ job }: JobBook): string {
  const { prompt } = job.input;
  return typeof prompt === 'string' ? prompt : WITHOUT_PROMPT;
}

function groupOfRequest({ prompt }: LedgerRequest): string {
  return prompt?.startsWith('chaos ') === true ? prompt : WITHOUT_PROMPT;
}

type Pair = Pick<Purchase, 'request' | 'attempt' | 'job'>;

/**
 * By request id where the attempt has one; the rest in the order of time, each to the newest attempt begun before it. One whose
 * outcome is said to be unknown comes before one that is said not to have been sent: that is believed while it can be true.
 */
function pair(requests: readonly LedgerRequest[], jobs: readonly JobBook[]): Pair[] {
  const rows = jobs.flatMap((job) => job.attempts.map((attempt) => ({ job, attempt })));
  const byId = new Map(rows.flatMap((row) => (row.attempt.requestId === null ? [] : [[row.attempt.requestId, row]])));
  const known = requests.flatMap((request): Pair[] => {
    const row = byId.get(request.id);
    return row === undefined ? [] : [{ request, ...row }];
  });
  const left = rows.filter(({ attempt }) => attempt.requestId === null).toSorted((a, b) => a.attempt.at - b.attempt.at);
  const unknown = requests
    .filter(({ id }) => !byId.has(id))
    .toSorted((a, b) => a.at - b.at)
    .map((request): Pair => {
      const mayBe = ({ attempt }: (typeof left)[number]): boolean =>
        attempt.at <= request.at && mayHaveKey(attempt, request);
      const flagged = left.findLastIndex((row) => mayBe(row) && isFlagged(row.attempt));
      const at = flagged < 0 ? left.findLastIndex(mayBe) : flagged;
      const [row] = at < 0 ? [] : left.splice(at, 1);
      return { request, attempt: row?.attempt ?? null, job: row?.job ?? null };
    });
  return [...known, ...unknown];
}

function mayHaveKey({ key }: AttemptBook, request: LedgerRequest): boolean {
  return key === null || request.key === null || key === request.key;
}

/** Nobody can know what came of the request, or of some of its images: it is shown, and they may be made once more. */
export function isFlagged({ outcome, code, came }: AttemptBook): boolean {
  return outcome === 'unknown' || code === 'worker_lost' || came !== null;
}

/** Whether the attempt has the image for certain, so that nothing excuses buying it again: of a short reply the first ones. */
export function hasBrought({ outcome, code, came, images }: AttemptBook, index: number): boolean {
  return outcome === 'succeeded' && code !== 'worker_lost' && images.slice(0, came ?? images.length).includes(index);
}
