// A paid reply: its bytes go to storage before anything else, and when that takes a moment to the spool beside it
// (spool-beside.ts). What can't be stored soon stays there (spool-answer.ts), and the worker is free for other work. Bookkeeping in Redis runs beside it and never holds it up.
import {
  type AttemptFacts,
  type Finished,
  finishAttempt,
  type NotedLinks,
  noteAnswer,
} from '@darkroom/shared/jobs/attempt-steps.ts';
import type { ImageRow, JobStatus, SpooledAnswerRow, StoredError } from '@darkroom/shared/jobs/record.ts';
import type { JobSpec } from '@darkroom/shared/jobs/spec.ts';
import { actualMicroUsd, upperBoundMicroUsd } from '@darkroom/shared/models/price.ts';
import type { Deps } from '../deps.ts';
import { keepLease, type LeaseTerms } from '../lease.ts';
import { answerLeaseOf } from '../spool/answer-lease.ts';
import type { UpstreamAnswer } from '../upstream/client.ts';
import type { ReplyImage } from '../upstream/reply.ts';
import { endOf } from './answer-end.ts';
import { type Fetched, fetchSoon, type ImageBytes, type Kept, type Source, storeSoon } from './keep-image.ts';
import { linksOf } from './link-life.ts';
import { resumeKey } from './resume-key.ts';
import type { NextStep, SentAttempt } from './run-call.ts';
import { spoolAnswer } from './spool-answer.ts';
import { startSpoolBeside } from './spool-beside.ts';

/** What became of the images of an answer, as far as it is known now. */
export interface KeptSoFar {
  readonly rows: readonly ImageRow[];
  readonly lost: StoredError | null;
  /** Bytes that are here and not in storage. */
  readonly unstored: readonly ImageBytes[];
  /** Images that are still behind their links, and what following those said last. */
  readonly unfetched: readonly { readonly index: number; readonly reason: string }[];
}

export async function settleAnswer(deps: Deps, attempt: SentAttempt, answer: UpstreamAnswer): Promise<NextStep> {
  if (!answer.isWhole) warnOfBreak(deps, attempt, answer);
  const facts = factsOf(attempt, answer);
  const links = linksOf(answer.images, Date.now());
  const lease = links === null ? null : keepLease(deps, leaseOf(deps, attempt));
  const books = keepBooks(deps, attempt, answer, facts, links);
  const beside = startSpoolBeside(deps, attempt, answer, facts, links, books);
  const stopStoring = new AbortController();
  try {
    const soFar = await keepAll(deps, attempt, answer, facts, stopStoring.signal);
    const written = beside.stop();
    const isAll = soFar.unstored.length + soFar.unfetched.length === 0;
    const answered = { attempt, images: answer.images.length, facts, links, books };
    // One file takes the place of the other.
    const waits = isAll ? null : await written.then(() => spoolAnswer(deps, answered, soFar));
    await books;
    if (waits !== null && waits.kind === 'spooled') {
      report(deps, attempt, answer, facts, waits.rows, null);
      return { kind: 'done' };
    }
    const { rows, lost } = waits ?? soFar;
    const finished = await finish(deps, attempt, answer, facts, rows, lost);
    report(deps, attempt, answer, facts, rows, finished.jobEnded);
    await beside.remove();
    return finished.callOutcome === '' ? { kind: 'again' } : { kind: 'done' };
  } finally {
    stopStoring.abort();
    await beside.stop();
    await lease?.release();
    await beside.release();
  }
}

function warnOfBreak(deps: Deps, { work, gate, images }: SentAttempt, answer: UpstreamAnswer): void {
  const { requestId, broken } = answer;
  const id = { jobId: work.record.id, call: work.call, attempt: gate.seq, requestId };
  const counts = { asked: images.length, came: answer.images.length };
  deps.log.warn({ ...id, ...counts, err: broken }, 'a reply broke off; the images that had come whole are kept');
}

function leaseOf(deps: Deps, { work, gate }: SentAttempt): LeaseTerms {
  return answerLeaseOf(deps, { jobId: work.record.id, call: work.call, seq: gate.seq });
}

async function keepAll(
  deps: Deps,
  attempt: SentAttempt,
  answer: UpstreamAnswer,
  facts: AttemptFacts,
  signal: AbortSignal,
): Promise<KeptSoFar> {
  const { record, call } = attempt.work;
  const source: Source = { ...facts, call, seq: attempt.gate.seq };
  let isFollowed = false;
  const keepOne = async (index: number, image: ReplyImage): Promise<Kept | Fetched> => {
    const fetched = await fetchSoon(deps, index, image);
    if (fetched.kind !== 'fetched') return await putAside(fetched);
    isFollowed ||= image.kind === 'url';
    const kept = await storeSoon(deps, record, source, fetched.image, signal);
    if (image.kind === 'url' && kept.kind === 'kept') deps.linkBreaker.worked(record.spec.lane);
    return kept;
  };
  /** What is no image is stored for the operator: it was paid for, if it is not a page. */
  const putAside = async (end: Extract<Fetched, { kind: 'unfetched' }>): Promise<Kept | Fetched> => {
    if (end.unreadable === undefined) return end;
    const kept = await storeSoon(deps, record, source, end.unreadable, signal);
    return kept.kind === 'kept' ? kept : end;
  };
  const pairs = attempt.images.flatMap((index, place) => {
    const image = answer.images[place];
    return image === undefined ? [] : [{ index, image }];
  });
  const ends = await Promise.all(pairs.map(({ index, image }) => keepOne(index, image)));
  const unfetched = pairs.flatMap(({ index }, place) => {
    const end = ends[place];
    return end?.kind === 'unfetched' ? [{ index, reason: end.reason }] : [];
  });
  if (unfetched.length > 0 && !isFollowed)
    deps.linkBreaker.failed(record.spec.lane, { jobId: record.id, call, seq: attempt.gate.seq });
  return {
    rows: ends.flatMap((end) => (end.kind === 'kept' ? [end.row] : [])),
    lost: ends.find((end) => end.kind === 'lost')?.error ?? null,
    unstored: ends.flatMap((end) => (end.kind === 'unstored' ? [end.image] : [])),
    unfetched,
  };
}

function finish(
  deps: Deps,
  attempt: SentAttempt,
  answer: UpstreamAnswer,
  facts: AttemptFacts,
  images: readonly ImageRow[],
  lost: StoredError | null,
): Promise<Finished> {
  const { record, call } = attempt.work;
  return finishAttempt(deps.steps, {
    jobId: record.id,
    call,
    seq: attempt.gate.seq,
    outcome: 'succeeded',
    facts,
    ...endOf(attempt.images, answer.images.length, lost, answer.requestId),
    images,
    callImages: record.spec.calls[call] ?? [],
  });
}

function factsOf(attempt: SentAttempt, answer: UpstreamAnswer): AttemptFacts {
  const { spec } = attempt.work.record;
  const asked = attempt.images.length;
  const came = Math.min(answer.images.length, asked);
  const costMicroUsd = actualMicroUsd(spec.model, spec.body, came, answer.usage);
  // A reply that broke off before it told its tokens may have cost all that the call can cost.
  const unpriced = answer.isWhole || costMicroUsd !== null ? asked - came : asked;
  return {
    status: answer.status,
    requestId: answer.requestId,
    costMicroUsd,
    ...(came === asked ? {} : { cameImages: came }),
    ...(unpriced === 0 ? {} : { extraMicroUsd: upperBoundMicroUsd(spec.model, spec.body, unpriced) }),
    inputTokens: answer.usage?.input_tokens ?? 0,
    outputTokens: answer.usage?.output_tokens ?? 0,
    ...imageTokensOf(answer),
    ...echoOf(spec, answer),
  };
}

function imageTokensOf({ usage }: UpstreamAnswer): Pick<AttemptFacts, 'inputImageTokens'> {
  const tokens = usage?.input_tokens_details?.image_tokens ?? 0;
  return tokens > 0 ? { inputImageTokens: tokens } : {};
}

/** Only what the spec does not say already: a batch has 50,000 rows. */
function echoOf(spec: JobSpec, { echo }: UpstreamAnswer): Pick<AttemptFacts, 'echo'> {
  const sent: Readonly<Record<string, unknown>> = { ...spec.body, output_format: spec.outputFormat };
  const news = Object.entries(echo).filter(([name, value]) => value !== sent[name]);
  return news.length > 0 ? { echo: Object.fromEntries(news) } : {};
}

/** Notes that the attempt is paid, gives the permit back, learns. Redis may be away: then this waits, the storing does not. */
async function keepBooks(
  deps: Deps,
  attempt: SentAttempt,
  answer: UpstreamAnswer,
  facts: AttemptFacts,
  links: SpooledAnswerRow | null,
): Promise<void> {
  const { record, call } = attempt.work;
  const { permit } = attempt;
  const noted: NotedLinks | null = links === null ? null : { row: links, ...leaseOf(deps, attempt) };
  const steps = [
    noteAnswer(deps.steps, record.id, call, attempt.gate.seq, facts, noted),
    permit.giveBack('used'),
    deps.governor.forgetFailures(permit),
    deps.governor.observe(permit, answer.observation),
    ...(permit.isProbe ? [resumeKey(deps, permit.upstreamKey)] : []),
  ];
  for (const result of await Promise.allSettled(steps)) {
    if (result.status === 'rejected')
      deps.log.warn({ err: result.reason, jobId: record.id, call }, 'bookkeeping after an answer failed');
  }
}

function report(
  deps: Deps,
  attempt: SentAttempt,
  answer: UpstreamAnswer,
  facts: AttemptFacts,
  images: readonly ImageRow[],
  jobEnded: JobStatus | null,
): void {
  if (jobEnded !== null) deps.metrics.jobsEnded.inc({ status: jobEnded });
  const { record, call } = attempt.work;
  const model = record.spec.lane;
  const bytes = images.reduce((sum, image) => sum + image.bytes, 0);
  deps.metrics.calls.inc({ model, outcome: 'succeeded' });
  deps.metrics.imagesStored.inc({ model }, images.length);
  deps.metrics.imageBytes.inc(bytes);
  if (typeof facts.costMicroUsd === 'number') deps.metrics.costMicroUsd.inc({ model }, facts.costMicroUsd);
  deps.log.info(
    {
      jobId: record.id,
      call,
      attempt: attempt.gate.seq,
      requestId: answer.requestId,
      ms: Date.now() - attempt.startedAt,
      images: images.length,
      bytes,
      costMicroUsd: facts.costMicroUsd,
      jobEnded,
    },
    'images stored',
  );
}
