// The one way from a checked request to a recorded job, for `/v1/jobs` and `/v1/images/*`: what was made before is found,
// else the input images are taken in and kept, and only then the job is recorded.
import { keepUntil, type Prepared } from '@darkroom/shared/inputs/prepare.ts';
import { submitJob } from '@darkroom/shared/jobs/submit.ts';
import type { Submission } from '@darkroom/shared/requests/submission.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { Client } from './client.ts';
import { findEarlier, type Sameness, type Submitted, samenessOf, toSubmitted } from './earlier.ts';

export interface Order {
  readonly fingerprint: string;
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
  { assertWanted, prepare }: Order,
  sameness: Sameness,
): Promise<Submitted> {
  await assertWanted?.();
  const { submission, held } = await prepare();
  try {
    await deps.queueRoom.assert(submission.request.lane, submission.request.n);
    const until = keepUntil(Date.now(), submission.expiresAfterSeconds, deps.config.JOB_RETENTION);
    if (held.length > 0) await deps.desk.keep(account, held, until);
    await client.assertThere();
    const created = await submitJob(deps.submit, account, submission, sameness.idempotency, sameness.asking);
    if (created.kind === 'created') countJob(deps, created.id, submission);
    return toSubmitted(created, client, sameness);
  } finally {
    await deps.desk.release(held);
  }
}

function countJob({ config, metrics, logger }: Deps, jobId: string, { request }: Submission): void {
  metrics.jobsAccepted.inc({ operation: request.operation, model: request.lane });
  if (config.LOG_PROMPTS) logger.info({ jobId, prompt: request.input['prompt'] }, 'prompt');
}
