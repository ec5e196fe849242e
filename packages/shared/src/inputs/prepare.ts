// The way of a submission's images from its body to a request that can be queued: the same for jobs, forms and batch
// lines.
import { ServiceError } from '../base/errors.ts';
import { allOf, type InputImage, type InputSet, mapInputs, toInputRef } from '../requests/inputs.ts';
import type { ImageRequest } from '../requests/validate.ts';
import type { InputDesk } from './desk.ts';
import type { HeldInput, TakenInput } from './held.ts';

export type Checked<S> = { ok: true; submission: S } | { ok: false; problems: ServiceError[] };

/** `held` is for `desk.keep`, then the job is submitted; for `desk.release` in any case. */
export interface Prepared<S> {
  readonly submission: S;
  readonly held: readonly HeldInput[];
}

/** A request that expired may have sent its last call just before, and that call may take its time. */
const LAST_CALL_MS = 3_600_000;

/**
 * Checks the body, takes in what it refers to, and checks again with what was measured. `uploads`: images of a form,
 * already received, which are held by this from here on; null for JSON bodies. Throws ServiceError for all problems of a
 * step, and what the desk throws; then nothing is left held.
 */
export async function prepareInputs<S extends { request: ImageRequest }>(
  desk: InputDesk,
  account: string,
  check: (inputs: InputSet<InputImage> | null) => Checked<S>,
  uploads: InputSet<TakenInput> | null,
  signal?: AbortSignal,
): Promise<Prepared<S>> {
  const held: HeldInput[] = uploads === null ? [] : heldOf(uploads);
  try {
    let taken = uploads;
    let submission = accepted(check(uploads === null ? null : imagesOf(uploads)));
    const { references } = submission.request;
    if (uploads === null && references !== null) {
      taken = await desk.resolve(account, references, signal);
      held.push(...heldOf(taken));
      submission = accepted(check(imagesOf(taken)));
    }
    const [first] = taken?.images ?? [];
    if (!submission.request.needsMaskFromImage || first === undefined) return { submission, held };
    const mask = await desk.maskOf(account, first.held);
    held.push(mask);
    return { submission: withMask(submission, mask), held };
  } catch (error) {
    await desk.release(held);
    throw error;
  }
}

function accepted<S>(checked: Checked<S>): S {
  if (!checked.ok) throw ServiceError.ofProblems(checked.problems);
  return checked.submission;
}

function heldOf(taken: InputSet<TakenInput>): HeldInput[] {
  return allOf(taken).map(({ held }) => held);
}

function imagesOf(taken: InputSet<TakenInput>): InputSet<InputImage> {
  return mapInputs(taken, ({ image }) => image);
}

function withMask<S extends { request: ImageRequest }>(submission: S, { facts }: HeldInput): S {
  const { request } = submission;
  const mask = toInputRef(facts);
  const body = { ...request.body, mask };
  const input = { ...request.input, mask };
  return { ...submission, request: { ...request, body, input, needsMaskFromImage: false } };
}

/**
 * Until when a job's inputs must stay (unix ms, may be Infinity): its own life, then the retention during which it may be
 * retried.
 */
export function keepUntil(now: number, expiresAfterSeconds: number, retentionMs: number): number {
  return now + expiresAfterSeconds * 1_000 + LAST_CALL_MS + retentionMs;
}
