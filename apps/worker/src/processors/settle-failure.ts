// An attempt that brought no image: what its verdict means for the attempt's row, the call, the bucket and the item.
import type { ServiceError, Verdict } from '@darkroom/shared/base/errors.ts';
import { finishAttempt } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { AttemptOutcome, JobStatus, StoredError } from '@darkroom/shared/jobs/record.ts';
import { readLearnedModels } from '@darkroom/shared/models/learned.ts';
import { findModel, isDeprecated } from '@darkroom/shared/models/rules.ts';
import { replacementOf } from '@darkroom/shared/models/translate.ts';
import type { Deps } from '../deps.ts';
import type { Permit } from '../governor/governor.ts';
import type { Observation } from '../governor/observation.ts';
import { isModelUnknown, isSlowDown } from '../upstream/classify.ts';
import { backoffMs } from '../verdict.ts';
import { resumeKey } from './resume-key.ts';
import type { NextStep, SentAttempt } from './run-call.ts';

interface Failure {
  readonly error: ServiceError;
  readonly observation: Observation | null;
}

/** An unknown outcome is tried again at most once (contract section 5). */
const MOST_UNKNOWN = 1;
const MOST_MODERATED = 1;

export async function settleFailure(deps: Deps, attempt: SentAttempt, failure: Failure): Promise<NextStep> {
  const { record, call } = attempt.work;
  await tellGovernor(deps, attempt, failure);
  const error = await noteRetirement(deps, attempt, failure.error);
  const isFinal = isLast(deps, attempt, error.verdict);
  const finished = await finishAttempt(deps.steps, {
    jobId: record.id,
    call,
    seq: attempt.gate.seq,
    outcome: outcomeOf(error),
    facts: { status: error.status, code: error.code, requestId: error.requestId },
    count: countOf(error.verdict),
    isFinal,
    error: toStoredError(error),
    images: [],
    callImages: record.spec.calls[call] ?? [],
  });
  report(deps, attempt, error, isFinal, finished.jobEnded);
  return finished.callOutcome === '' ? nextStep(attempt, error, failure.observation) : { kind: 'done' };
}

/** «Does not exist» for a model whose end was announced means that it has been retired: said to all processes. */
async function noteRetirement(deps: Deps, attempt: SentAttempt, error: ServiceError): Promise<ServiceError> {
  const rules = findModel(attempt.work.record.spec.model);
  if (!isModelUnknown(error) || rules === null || rules.status === 'retired') return error;
  if (!isDeprecated(rules, await readLearnedModels(deps.redis, deps.keys))) return error;
  await deps.redis.sadd(deps.keys.retiredModels, rules.id);
  error.code = 'model_retired';
  error.message = `${error.message} ${rules.id} has been retired; use ${replacementOf(rules)?.id ?? 'another model'}.`;
  return error;
}

async function tellGovernor(deps: Deps, attempt: SentAttempt, { error, observation }: Failure): Promise<void> {
  const { permit } = attempt;
  await permit.giveBack(useOf(error.verdict));
  await noteHealth(deps, permit, error);
  if (observation) await deps.governor.observe(permit, observation);
  if (error.verdict === 'later' && observation) await slowOrStop(deps, attempt, error, observation);
  if (error.verdict === 'pause') {
    await pause(deps, permit, error);
  } else if (permit.isProbe) {
    // An edge or a broken server says nothing of the key.
    if (error.status !== null && error.status < 500) await resumeKey(deps, permit.upstreamKey);
    else await deps.governor.putOffProbe(permit.upstreamKey);
  }
}

async function pause({ governor, log }: Deps, permit: Permit, error: ServiceError): Promise<void> {
  const { upstreamKey, isProbe, receipt } = permit;
  const probeInMs = await governor.pauseKey(upstreamKey, error, { isProbe, start: receipt.start });
  const facts = { upstreamKey, code: error.code, status: error.status };
  if (probeInMs === 0) log.info(facts, 'a refusal from before the upstream key was resumed');
  else log.error({ ...facts, probeInMs }, 'upstream key paused');
}

/** A key that fails at once would be the freest of several, and have all calls fail. An unknown outcome says nothing of it. */
async function noteHealth(deps: Deps, permit: Permit, { verdict, code, status }: ServiceError): Promise<void> {
  if (verdict === 'unknown') return;
  if (verdict !== 'retry') return deps.governor.forgetFailures(permit);
  const ms = await deps.governor.noteFailure(permit, code !== 'upstream_unreachable');
  const { upstreamKey } = permit;
  if (ms > 0) deps.log.warn({ upstreamKey, code, status, ms }, 'upstream key set aside: calls go to others meanwhile');
}

/** What the upstream has refused is not off its limits; only a rate limit's own bucket starts anew anyway. */
function useOf(verdict: Verdict): Parameters<Permit['giveBack']>[0] {
  if (verdict === 'later') return 'refused';
  return verdict === 'split' || verdict === 'pause' ? 'unused' : 'used';
}

/** What a 429 does to its bucket, said once for all that come together. */
async function slowOrStop(
  deps: Deps,
  { permit, work }: SentAttempt,
  error: ServiceError,
  observation: Observation,
): Promise<void> {
  const labels = { model: work.record.spec.lane, key: permit.upstreamKey };
  const facts = { upstreamKey: permit.upstreamKey, model: permit.model, code: error.code };
  const slows = isSlowDown(error);
  const stop = await deps.governor.stop(permit, observation, slows);
  if (stop.isNews) {
    deps.metrics.limitStops.inc(labels);
    // The upstream may have asked for more than is believed, or for nothing at all.
    deps.log.warn({ ...facts, limit: stop.limit, waitMs: stop.waitMs, toldMs: stop.toldMs }, 'limit stopped by a 429');
  }
  const calls = slows ? await deps.governor.slowDown(permit) : null;
  if (calls === null) return;
  deps.metrics.slowDowns.inc(labels);
  deps.log.warn({ ...facts, calls }, 'calls under way lowered by slow_down');
}

function isLast(deps: Deps, { work, gate }: SentAttempt, verdict: Verdict): boolean {
  switch (verdict) {
    case 'final':
      return true;
    case 'retry':
      return gate.failed + 1 >= deps.config.MAX_ATTEMPTS;
    case 'moderated':
      return gate.moderated >= MOST_MODERATED;
    case 'unknown':
      return (work.record.spec.onUnknown ?? deps.config.ON_UNKNOWN) === 'fail' || gate.unknown >= MOST_UNKNOWN;
    case 'later':
    case 'pause':
    case 'split':
      return false;
  }
}

function countOf(verdict: Verdict): 'failed' | 'moderated' | 'unknown' | '' {
  switch (verdict) {
    case 'retry':
      return 'failed';
    case 'moderated':
      return 'moderated';
    case 'unknown':
      return 'unknown';
    case 'final':
    case 'later':
    case 'pause':
    case 'split':
      return '';
  }
}

function outcomeOf(error: ServiceError): AttemptOutcome {
  if (error.verdict === 'unknown') return 'unknown';
  return error.verdict === 'retry' || error.verdict === 'moderated' ? 'failed' : 'rejected';
}

function nextStep(attempt: SentAttempt, error: ServiceError, observation: Observation | null): NextStep {
  if (error.verdict === 'retry' || error.verdict === 'unknown') {
    const failures = attempt.gate.failed + attempt.gate.unknown + 1;
    return { kind: 'delay', ms: backoffMs(failures, error.retryAfterMs, Math.random()) };
  }
  if (error.verdict === 'split') {
    return { kind: 'again', largest: fittingImages(attempt.images.length, observation) };
  }
  return { kind: 'again' };
}

/** How many of `images` the limit of a 429 lets through, whatever it counts; fewer than were refused, one at least. */
function fittingImages(images: number, observation: Observation | null): number {
  const { limit = null, requested = null } = observation ?? {};
  const fit = limit === null || requested === null ? 1 : Math.floor((images * limit) / requested);
  return Math.max(1, Math.min(images - 1, fit));
}

function toStoredError(error: ServiceError): StoredError {
  return {
    code: error.code,
    type: error.type,
    message: error.message,
    param: error.param,
    status: error.status,
    requestId: error.requestId,
    ...(error.moderation === null ? {} : { moderation_details: error.moderation }),
  };
}

function report(
  deps: Deps,
  attempt: SentAttempt,
  error: ServiceError,
  isFinal: boolean,
  jobEnded: JobStatus | null,
): void {
  if (jobEnded !== null) deps.metrics.jobsEnded.inc({ status: jobEnded });
  const { record, call } = attempt.work;
  const model = record.spec.lane;
  deps.metrics.calls.inc({ model, outcome: outcomeOf(error) });
  deps.metrics.upstreamErrors.inc({ model, verdict: error.verdict });
  deps.log.warn(
    {
      jobId: record.id,
      call,
      attempt: attempt.gate.seq,
      requestId: error.requestId,
      status: error.status,
      code: error.code,
      verdict: error.verdict,
      isFinal,
      ms: Date.now() - attempt.startedAt,
      jobEnded,
    },
    'call failed',
  );
}
