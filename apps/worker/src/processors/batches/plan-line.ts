// What is to become of a line when it is fed: everything that may take long or be refused happens here, and nothing is
// recorded yet, so that a plan may be dropped at any time.
import { type PublicError, ServiceError, toPublicError } from '@darkroom/shared/base/errors.ts';
import { batchJobIdOf } from '@darkroom/shared/base/ids.ts';
import type { InputLine } from '@darkroom/shared/batches/lines.ts';
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import { readUnmade } from '@darkroom/shared/batches/unmade-lines.ts';
import type { HeldInput } from '@darkroom/shared/inputs/desk.ts';
import { extendInputs } from '@darkroom/shared/inputs/input-store.ts';
import { keepUntil, prepareInputs } from '@darkroom/shared/inputs/prepare.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import { inputsOf } from '@darkroom/shared/jobs/spec.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { type BatchLine, parseBatchLine } from '@darkroom/shared/requests/batch-line.ts';
import { allOf } from '@darkroom/shared/requests/inputs.ts';
import type { Submission } from '@darkroom/shared/requests/submission.ts';
import type { ValidateContext } from '@darkroom/shared/requests/validate.ts';
import type { Deps } from '../../deps.ts';

export type ValidLine = Extract<BatchLine, { ok: true }>;

/** A line and what the check of its text says. */
export interface ParsedLine {
  readonly line: InputLine;
  readonly parsed: BatchLine;
}

export type LinePlan = { readonly line: InputLine } & (
  | { readonly kind: 'skip' }
  | { readonly kind: 'submit'; readonly valid: ValidLine; readonly held: readonly HeldInput[] }
  /** Its job goes again. */
  | { readonly kind: 'again'; readonly valid: ValidLine; readonly job: JobRecord; readonly held: readonly HeldInput[] }
  | { readonly kind: 'refuse'; readonly problems: readonly PublicError[] }
);

export function hasReferences({ parsed }: ParsedLine): boolean {
  return parsed.ok && parsed.submission.request.references !== null;
}

/**
 * Whoever gets a plan with `held` must release it. Throws when storage or Redis is away and the signal's reason when that
 * aborts; nothing is held then.
 */
export async function planLine(
  deps: Deps,
  record: BatchRecord,
  given: ParsedLine,
  context: ValidateContext,
  signal: AbortSignal,
): Promise<LinePlan> {
  const { line, parsed } = given;
  // A line that the check refused makes no job; it goes to the error file.
  if (!parsed.ok) return { kind: 'skip', line };
  const wasFed = line.number <= record.fedLine;
  if (line.number <= record.reachedLine || hasReferences(given)) {
    const job = await readJob(deps.redis, deps.keys, batchJobIdOf(record.id, line.number));
    if (job !== null) return planAgain(deps, record, { line, parsed }, job, context, signal);
  }
  // A job that is no longer kept is never made a second time: it may have been paid.
  if (wasFed && !(await readUnmade(deps, record.id, [line.number])).has(line.number)) return { kind: 'skip', line };
  if (!hasReferences(given)) return { kind: 'submit', line, valid: parsed, held: [] };
  return planNew(deps, record, { line, parsed }, context, signal);
}

interface ValidParsedLine {
  readonly line: InputLine;
  readonly parsed: ValidLine;
}

async function planNew(
  deps: Deps,
  record: BatchRecord,
  { line, parsed }: ValidParsedLine,
  context: ValidateContext,
  signal: AbortSignal,
): Promise<LinePlan> {
  try {
    const { submission, held } = await prepareLine(deps, record, line, context, signal);
    return { kind: 'submit', line, valid: { ...parsed, submission }, held };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { kind: 'refuse', line, problems: problemsOf(error) };
  }
}

/** A job without images goes again, once in a run. */
async function planAgain(
  deps: Deps,
  record: BatchRecord,
  { line, parsed }: ValidParsedLine,
  job: JobRecord,
  context: ValidateContext,
  signal: AbortSignal,
): Promise<LinePlan> {
  await deps.redis.persist(deps.keys.job(job.id));
  const hasRun = (job.finishedAt ?? 0) >= (record.at.in_progress ?? 0);
  if (!hasEnded(job) || hasRun || job.images.size > 0) return { kind: 'skip', line };
  const sha256s = allOf(inputsOf(job.spec)).map(({ sha256 }) => sha256);
  const again = { kind: 'again' as const, line, valid: parsed, job };
  if (sha256s.length === 0 || (await extendInputs(deps, record.spec.account, sha256s, inputsUntil(deps, record))))
    return { ...again, held: [] };
  try {
    return { ...again, held: (await prepareLine(deps, record, line, context, signal)).held };
  } catch (error) {
    // Its calls will say that their images are gone.
    if (isRefusal(error)) return { ...again, held: [] };
    throw error;
  }
}

function prepareLine(
  deps: Deps,
  { spec }: BatchRecord,
  line: InputLine,
  context: ValidateContext,
  signal: AbortSignal,
) {
  const check = (inputs: Parameters<typeof parseBatchLine>[3] = null) =>
    parseBatchLine(line.text, spec.endpoint, context, inputs);
  return prepareInputs<Submission>(deps.desk, spec.account, check, null, signal);
}

/** Until when inputs of this run's jobs must stay: a batch's jobs are kept as long as the batch. */
export function inputsUntil({ config }: Deps, { expiresAt }: BatchRecord): number {
  const now = Date.now();
  return keepUntil(now, Math.max(0, (expiresAt - now) / 1_000), config.JOB_RETENTION);
}

/** What is wrong with this line alone, as against storage or Redis being away: waiting would not mend it. */
export function isRefusal(error: unknown): error is ServiceError {
  return error instanceof ServiceError && (error.status < 500 || error.code === 'input_lost');
}

export function problemsOf(refusal: ServiceError): PublicError[] {
  return (refusal.details.length > 0 ? refusal.details : [refusal]).map(toPublicError);
}
