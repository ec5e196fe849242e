// What can be done to a job: cancel it, run its missing images again, look at its attempts.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { extendInputs } from '@darkroom/shared/inputs/input-store.ts';
import { keepUntil } from '@darkroom/shared/inputs/prepare.ts';
import { toPublicAttempt } from '@darkroom/shared/jobs/public-job.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import { inputsOf } from '@darkroom/shared/jobs/spec.ts';
import { retryJob, withholdCalls } from '@darkroom/shared/jobs/steps.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { openItemsOf } from '@darkroom/shared/jobs/submit.ts';
import { allOf } from '@darkroom/shared/requests/inputs.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { answer, type Client, watchClient } from '../http/client.ts';
import { findEarlier, type Sameness, type Submitted, samenessOf, sayEarlier, toSubmitted } from '../http/earlier.ts';
import { assertNothingAsked } from '../http/empty-request.ts';
import { fingerprintOf } from '../http/fingerprint.ts';
import { buildJobReplies, noSuchJob } from '../http/job-reply.ts';
import { readQuery } from '../http/query.ts';
import { cancelJobOperation, listAttemptsOperation, retryJobOperation } from '../openapi/job-operations.ts';

export function registerJobActions(app: App, deps: Deps): void {
  const replies = buildJobReplies(deps);

  app.route({
    method: 'POST',
    url: '/v1/jobs/:id/cancel',
    config: { access: 'account', operation: cancelJobOperation },
    handler: async (request, reply) => {
      assertNothingAsked(request);
      const record = await replies.find(request);
      await withholdCalls(deps.submit.steps, record.id, record.spec.calls.length, 'cancelled');
      await removeItems(record, deps);
      return replies.show(reply, await readAgain(record, deps));
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/jobs/:id/retry',
    config: { access: 'account', operation: retryJobOperation },
    handler: async (request, reply) => {
      assertNothingAsked(request);
      const client = watchClient(deps, request, reply);
      return answer(client, reply, async () => {
        const record = await replies.find(request);
        sayEarlier(reply, await retryOnce(request, client, record, deps));
        client.getsFinalReply();
        return replies.accepted(reply, await readAgain(record, deps));
      });
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/jobs/:id/attempts',
    config: { access: 'account', operation: listAttemptsOperation },
    handler: async (request) => {
      readQuery(request, { names: [] });
      const record = await replies.find(request);
      return { object: 'list', data: record.attempts.map(toPublicAttempt), has_more: false };
    },
  });
}

/** The queue items of withheld calls would run into nothing; removing them only saves the workers a look. */
async function removeItems(record: JobRecord, { queues, logger }: Deps): Promise<void> {
  try {
    await queues.remove(record.spec.lane, openItemsOf(record));
  } catch (error) {
    logger.warn({ jobId: record.id, err: error }, 'queue items of a cancelled job stay; they will do nothing');
  }
}

/** Its input images stay for another run. Throws ServiceError `input_lost`, here a 409, when one is gone. */
async function keepInputs({ id, spec }: JobRecord, deps: Deps): Promise<void> {
  const sha256s = allOf(inputsOf(spec)).map(({ sha256 }) => sha256);
  if (sha256s.length === 0) return;
  const until = keepUntil(Date.now(), spec.expiresAfterSeconds, deps.config.JOB_RETENTION);
  if (await extendInputs(deps, spec.account, sha256s, until)) return;
  const message = `Job '${id}' can't run again: an input image of it is no longer in storage. Submit it anew.`;
  throw Object.assign(new ServiceError('input_lost', message), { type: 'invalid_request_error', status: 409 });
}

/** Opens the job for a new run, unless this request or its client's earlier try has. Throws what `runAgain` throws. */
async function retryOnce(request: FastifyRequest, client: Client, record: JobRecord, deps: Deps): Promise<Submitted> {
  const { id, spec } = record;
  const sameness = samenessOf(request, client, fingerprintOf(`POST /v1/jobs/${id}/retry`, null));
  const earlier = await findEarlier(deps, request.account, client, sameness);
  if (earlier !== null) return earlier;
  if (hasEnded(record)) {
    await deps.queueRoom.assert(spec.lane, spec.account, spec.calls.length);
    await keepInputs(record, deps);
  }
  await client.assertThere();
  return toSubmitted({ kind: await runAgain(record, sameness, deps), id }, client, sameness);
}

/** Throws `job_not_ended`, `nothing_to_retry`, `not_found`, `queue_full`. */
async function runAgain(
  record: JobRecord,
  { idempotency, asking }: Sameness,
  { submit, queueRoom }: Deps,
): Promise<'created' | 'exists' | 'joined' | 'conflict'> {
  const { id, spec } = record;
  const retried = await retryJob(submit.steps, record, 'caller', idempotency, asking, submit.mostOpenCalls);
  if (retried.kind === 'gone') throw noSuchJob(id);
  if (retried.kind === 'open') throw new ServiceError('job_not_ended', `Job '${id}' has not ended yet.`);
  if (retried.kind === 'full') throw await queueRoom.refusal(spec.lane, retried, spec.calls.length);
  if (retried.kind === 'whole') throw new ServiceError('nothing_to_retry', `Job '${id}' has all its images.`);
  if (retried.kind !== 'retried') return retried.kind;
  try {
    await submit.queues.add(spec.lane, retried.items);
  } catch (error) {
    submit.onQueueError(id, error);
  }
  return 'created';
}

async function readAgain(record: JobRecord, { redis, keys }: Deps): Promise<JobRecord> {
  const now = await readJob(redis, keys, record.id);
  if (now === null) throw noSuchJob(record.id);
  return now;
}
