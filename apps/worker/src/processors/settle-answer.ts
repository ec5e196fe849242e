// A paid reply: its bytes go to storage before anything else, and are kept trying as long as this process lives.
// Bookkeeping in Redis runs beside it and never holds it up.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceError } from '@darkroom/shared/base/errors.ts';
import { type AttemptFacts, finishAttempt, noteAnswer } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { ImageRow, JobStatus, StoredError } from '@darkroom/shared/jobs/record.ts';
import type { JobSpec } from '@darkroom/shared/jobs/spec.ts';
import { actualMicroUsd, upperBoundMicroUsd } from '@darkroom/shared/models/price.ts';
import type { Deps } from '../deps.ts';
import type { UpstreamAnswer } from '../upstream/client.ts';
import type { ReplyImage } from '../upstream/reply.ts';
import { keepImage, keepOptionsOf } from './keep-image.ts';
import { resumeKey } from './resume-key.ts';
import type { NextStep, SentAttempt } from './run-call.ts';

export async function settleAnswer(deps: Deps, attempt: SentAttempt, answer: UpstreamAnswer): Promise<NextStep> {
  const { record, call } = attempt.work;
  const facts = factsOf(attempt, answer);
  const books = keepBooks(deps, attempt, answer, facts);
  const kept = await Promise.all(
    attempt.images.map(async (index, place) => {
      const image = answer.images[place];
      return image === undefined ? null : keepOrReport(deps, attempt, index, image, facts);
    }),
  );
  await books;
  const images = kept.filter((result): result is ImageRow => result !== null && 'key' in result);
  const lost = kept.find((result): result is StoredError => result !== null && !('key' in result)) ?? null;
  const isShort = answer.images.length < attempt.images.length;
  const finished = await finishAttempt(deps.steps, {
    jobId: record.id,
    call,
    seq: attempt.gate.seq,
    outcome: 'succeeded',
    facts,
    count: isShort ? 'unknown' : '',
    isFinal: lost !== null,
    error: lost ?? (isShort ? shortError(attempt, answer) : null),
    images,
    callImages: record.spec.calls[call] ?? [],
  });
  report(deps, attempt, answer, facts, images, finished.jobEnded);
  return finished.callOutcome === '' ? { kind: 'again' } : { kind: 'done' };
}

function factsOf(attempt: SentAttempt, answer: UpstreamAnswer): AttemptFacts {
  const { spec } = attempt.work.record;
  const paidImages = Math.min(answer.images.length, attempt.images.length);
  const missing = attempt.images.length - paidImages;
  return {
    status: answer.status,
    requestId: answer.requestId,
    costMicroUsd: actualMicroUsd(spec.model, spec.body, paidImages, answer.usage),
    ...(missing === 0 ? {} : { extraMicroUsd: upperBoundMicroUsd(spec.model, spec.body, missing) }),
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
async function keepBooks(deps: Deps, attempt: SentAttempt, answer: UpstreamAnswer, facts: AttemptFacts): Promise<void> {
  const { record, call } = attempt.work;
  const { permit } = attempt;
  const steps = [
    noteAnswer(deps.steps, record.id, call, attempt.gate.seq, facts),
    permit.giveBack('used'),
    deps.governor.observe(record.spec.model, answer.observation),
    ...(permit.isProbe ? [resumeKey(deps, permit.upstreamKey)] : []),
  ];
  for (const result of await Promise.allSettled(steps)) {
    if (result.status === 'rejected')
      deps.log.warn({ err: result.reason, jobId: record.id, call }, 'bookkeeping after an answer failed');
  }
}

const LONGEST_STORE_WAIT_MS = 5_000;

/** The image's row once its bytes are stored, or the error that says it is paid and lost. Trouble of storage is waited out. */
async function keepOrReport(
  deps: Deps,
  attempt: SentAttempt,
  index: number,
  image: ReplyImage,
  facts: AttemptFacts,
): Promise<ImageRow | StoredError> {
  const options = keepOptionsOf(attempt.work.record, index, facts);
  const fetched = new Map<number, Buffer>();
  for (let tries = 1; ; tries += 1) {
    const result = await keepImage(deps, options, image, fetched);
    if (result.kind === 'kept') return result.row;
    if (result.kind === 'lost') return toStoredError(result.error, facts);
    deps.metrics.storageErrors.inc();
    deps.log.error(
      { reason: result.reason, jobId: options.jobId, index, tries },
      'a paid image could not be stored yet',
    );
    await sleep(Math.min(LONGEST_STORE_WAIT_MS, 250 * 2 ** Math.min(tries, 10)));
  }
}

function toStoredError(error: ServiceError, facts: AttemptFacts): StoredError {
  return {
    code: error.code,
    type: error.type,
    message: error.message,
    param: null,
    status: error.status,
    requestId: facts.requestId ?? null,
  };
}

function shortError(attempt: SentAttempt, answer: UpstreamAnswer): StoredError {
  return {
    code: 'outcome_unknown',
    type: 'server_error',
    message: `The upstream sent ${answer.images.length} of the ${attempt.images.length} images asked for; the others may have been charged.`,
    param: null,
    status: 502,
    requestId: answer.requestId,
  };
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
