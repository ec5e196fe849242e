// Submit, read and list jobs.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { Idempotency } from '@darkroom/shared/jobs/steps.ts';
import { listJobs, readJob } from '@darkroom/shared/jobs/store.ts';
import { submitJob } from '@darkroom/shared/jobs/submit.ts';
import { type Submission, validateSubmission } from '@darkroom/shared/requests/submission.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { toDryRun } from '../http/dry-run.ts';
import { readIdempotency } from '../http/idempotency.ts';
import { JOB_LIST_PARAMETERS, parseJobListQuery } from '../http/job-query.ts';
import { buildJobReplies } from '../http/job-reply.ts';
import { parsePrefer, parseWait } from '../http/prefer.ts';
import { readQuery } from '../http/query.ts';
import { assertRoom } from '../http/queue-room.ts';
import { validationContextOf } from '../http/validation-context.ts';
import { getJobOperation, listJobsOperation, submitJobOperation } from '../openapi/job-operations.ts';

const SUBMIT_ROUTE = 'POST /v1/jobs';

export function registerJobs(app: App, deps: Deps): void {
  const replies = buildJobReplies(deps);

  app.route({
    method: 'POST',
    url: '/v1/jobs',
    config: { access: 'account', operation: submitJobOperation },
    handler: async (request, reply) => {
      readQuery(request, { names: [] });
      const submission = readSubmission(request, deps);
      if (submission.dryRun) return toDryRun(submission, deps);
      const idempotency = readIdempotency(request.headers['idempotency-key'], SUBMIT_ROUTE, request.body);
      const preference = parsePrefer(request.headers['prefer'] as string | undefined);
      const { record, isReplay } = await accept(request, submission, idempotency, deps);
      if (isReplay) void reply.header('idempotent-replayed', 'true');
      if (preference.applied !== null) void reply.header('preference-applied', preference.applied);
      const job = await replies.wait(record, preference.waitSeconds, reply).catch((error: unknown) => {
        deps.logger.warn({ jobId: record.id, err: error }, 'the wait broke; the job is accepted all the same');
        return record;
      });
      return preference.waitSeconds > 0 && hasEnded(job) ? replies.toPublic(job) : replies.accepted(reply, job);
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/jobs/:id',
    config: { access: 'account', operation: getJobOperation },
    handler: async (request, reply) => {
      const seconds = parseWait(readQuery(request, { names: ['wait'] }).get('wait'));
      const record = await replies.find(request);
      return replies.toPublic(hasEnded(record) ? record : await replies.wait(record, seconds, reply));
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/jobs',
    config: { access: 'account', operation: listJobsOperation },
    handler: async (request) => {
      const query = parseJobListQuery(readQuery(request, JOB_LIST_PARAMETERS));
      if (query.after !== null) await assertListed(request.account, query.after, deps);
      const page = await listJobs(deps.redis, deps.keys, request.account, query);
      return {
        object: 'list',
        data: page.jobs.map((job) => replies.toPublic(job)),
        first_id: page.jobs[0]?.id ?? null,
        last_id: page.hasMore ? page.cursor : (page.jobs.at(-1)?.id ?? null),
        has_more: page.hasMore,
      };
    },
  });
}

/** Throws a ServiceError with every problem of the body. */
function readSubmission(request: FastifyRequest, deps: Deps): Submission {
  if (request.body === undefined) {
    throw new ServiceError('invalid_json', 'The request has no body. Send a JSON object.');
  }
  const result = validateSubmission(request.body, validationContextOf(deps, request.account));
  if (!result.ok) throw ServiceError.ofProblems(result.problems);
  return result.submission;
}

/** Records and queues the job, or finds the one its idempotency key made. Throws `queue_full`, `idempotency_key_reuse`. */
async function accept(
  request: FastifyRequest,
  submission: Submission,
  idempotency: Idempotency | null,
  deps: Deps,
): Promise<{ record: JobRecord; isReplay: boolean }> {
  const { operation, lane } = submission.request;
  if (!(await isKeyUsed(request.account, idempotency, deps))) await assertRoom(deps, lane);
  const created = await submitJob(deps.submit, request.account, submission, idempotency);
  if (created.kind === 'conflict') {
    throw new ServiceError('idempotency_key_reuse', 'This Idempotency-Key was used before for another request.', {
      param: 'Idempotency-Key',
    });
  }
  request.jobId = created.id;
  if (created.kind === 'created') {
    deps.metrics.jobsAccepted.inc({ operation, model: lane });
    if (deps.config.LOG_PROMPTS)
      deps.logger.info({ jobId: created.id, prompt: submission.request.input['prompt'] }, 'prompt');
  }
  const record = await readJob(deps.redis, deps.keys, created.id);
  if (record === null) throw new ServiceError('not_found', 'The job this Idempotency-Key made is no longer kept.');
  return { record, isReplay: created.kind === 'exists' && idempotency !== null };
}

async function isKeyUsed(account: string, idempotency: Idempotency | null, { redis, keys }: Deps): Promise<boolean> {
  return idempotency !== null && (await redis.exists(keys.idempotency(account, idempotency.keyHash))) === 1;
}

/** A page can only go on after a job of this account. */
async function assertListed(account: string, id: string, { redis, keys }: Deps): Promise<void> {
  if ((await redis.zscore(keys.accountJobs(account), id)) !== null) return;
  throw new ServiceError('invalid_value', `Invalid value for 'after': no job found with id '${id}'.`, {
    param: 'after',
  });
}
