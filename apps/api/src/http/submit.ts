// The one way from a checked request to a recorded job, for `/v1/jobs` and `/v1/images/*`: what was made before is found,
// else the input images are taken in and kept, and only then the job is recorded.
import type { ServiceError } from '@darkroom/shared/base/errors.ts';
import { keepUntil, type Prepared } from '@darkroom/shared/inputs/prepare.ts';
import { submitJob } from '@darkroom/shared/jobs/submit.ts';
import type { Full } from '@darkroom/shared/lanes/queue-room.ts';
import { countCalls } from '@darkroom/shared/requests/plan.ts';
import type { Submission } from '@darkroom/shared/requests/submission.ts';
import type { ImageRequest } from '@darkroom/shared/requests/validate.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { Client } from './client.ts';
import { findEarlier, type Sameness, type Submitted, samenessOf, toSubmitted } from './earlier.ts';

export interface Order {
  readonly fingerprint: string;
  /** Where known before its input images are taken in: then nothing is taken in for a lane that is full. */
  readonly wanted?: ImageRequest;
  /** Asked only when this is new; throws when new work is refused. */
  readonly assertWanted?: () => Promise<void>;
  readonly prepare: () => Promise<Prepared<Submission>>;
}

/**
 * A client that leaves before its job is recorded makes none; what is thrown then is thrown at nobody (see `answer`).
 * Throws `queue_full`, `idempotency_key_reuse`, and what `prepare` throws.
 */
export async function submitOnce(
  deps: Deps,
  request: FastifyRequest,
  client: Client,
  order: Order,
): Promise<Submitted> {
  const sameness = samenessOf(request, client, order.fingerprint);
  const submitted =
    (await findEarlier(deps, request.account, client, sameness)) ??
    (await submitNew(deps, request, client, order, sameness));
  request.jobId = submitted.id;
  return submitted;
}

async function submitNew(
  deps: Deps,
  { account }: FastifyRequest,
  client: Client,
  { wanted, assertWanted, prepare }: Order,
  sameness: Sameness,
): Promise<Submitted> {
  await assertWanted?.();
  if (wanted !== undefined) await assertRoom(deps, wanted, account);
  const { submission, held } = await prepare();
  try {
    if (wanted === undefined) await assertRoom(deps, submission.request, account);
    const until = keepUntil(Date.now(), submission.expiresAfterSeconds, deps.config.JOB_RETENTION);
    if (held.length > 0) await deps.desk.keep(account, held, until);
    await client.assertThere();
    const created = await submitJob(deps.submit, account, submission, sameness.idempotency, sameness.asking);
    if (created.kind === 'full') throw await fullError(deps, created, submission);
    if (created.kind === 'created') countJob(deps, created.id, submission);
    return toSubmitted(created, client, sameness);
  } finally {
    await deps.desk.release(held);
  }
}

/** Throws ServiceError `queue_full`. */
export function assertRoom(deps: Deps, request: ImageRequest, account: string): Promise<void> {
  return deps.queueRoom.assert(request.lane, account, callsOf(deps, request));
}

function fullError(deps: Deps, full: Full, { request }: Submission): Promise<ServiceError> {
  return deps.queueRoom.refusal(request.lane, full, callsOf(deps, request));
}

function callsOf({ submit }: Deps, request: ImageRequest): number {
  return countCalls(request, submit.imagesPerMinuteOf(request.model));
}

function countJob({ config, metrics, logger }: Deps, jobId: string, { request }: Submission): void {
  metrics.jobsAccepted.inc({ operation: request.operation, model: request.lane });
  if (config.LOG_PROMPTS) logger.info({ jobId, prompt: request.input['prompt'] }, 'prompt');
}
