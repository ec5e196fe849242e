// Submit, read and list jobs.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { prepareInputs } from '@darkroom/shared/inputs/prepare.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import { listJobs, readJob } from '@darkroom/shared/jobs/store.ts';
import { validateSubmission } from '@darkroom/shared/requests/submission.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { checkOnce } from '../http/check-once.ts';
import { answer, type Client, watchClient } from '../http/client.ts';
import { deprecationOf } from '../http/deprecation.ts';
import { toDryRun } from '../http/dry-run.ts';
import { type Submitted, sayEarlier } from '../http/earlier.ts';
import { fingerprintOf } from '../http/fingerprint.ts';
import { JOB_LIST_PARAMETERS, parseJobListQuery } from '../http/job-query.ts';
import { buildJobReplies } from '../http/job-reply.ts';
import { LARGE_BODY_BYTES, LARGE_BODY_TIME_MS, type LargeBodies } from '../http/large-bodies.ts';
import { reportUnreadable, toListReply } from '../http/list-reply.ts';
import { parsePrefer, parseWait } from '../http/prefer.ts';
import { readQuery } from '../http/query.ts';
import { assertRoom, submitOnce } from '../http/submit.ts';
import { validationContextOf } from '../http/validation-context.ts';
import { getJobOperation, listJobsOperation, submitJobOperation } from '../openapi/job-operations.ts';

const SUBMIT_ROUTE = 'POST /v1/jobs';

export async function registerJobs(app: App, deps: Deps, largeBodies: LargeBodies): Promise<void> {
  const replies = buildJobReplies(deps);

  await app.register(async (scope: App) => {
    scope.removeContentTypeParser('application/json');
    largeBodies.register(scope);
    scope.route({
      method: 'POST',
      url: '/v1/jobs',
      bodyLimit: LARGE_BODY_BYTES,
      config: { access: 'account', bodyTimeMs: LARGE_BODY_TIME_MS, operation: submitJobOperation },
      handler: async (request, reply) => {
        readQuery(request, { names: [] });
        const client = watchClient(deps, request, reply);
        const preference = parsePrefer(request.headers['prefer'] as string | undefined);
        return answer(client, reply, async () => {
          const submitted = await submit(request, client, deps).finally(() => largeBodies.drop(request));
          if ('plan' in submitted) return submitted.plan;
          const record = submitted.record ?? (await readSubmitted(submitted.id, deps));
          sayEarlier(reply, submitted);
          if (preference.applied !== null) void reply.header('preference-applied', preference.applied);
          const job = await replies.wait(record, preference.waitSeconds, reply).catch((error: unknown) => {
            deps.logger.warn({ jobId: record.id, err: error }, 'the wait broke; the job is accepted all the same');
            return record;
          });
          client.getsFinalReply();
          void reply.headers(deprecationOf(job, deps));
          if (preference.waitSeconds > 0 && hasEnded(job)) return replies.toPublic(job);
          return replies.accepted(reply, job, preference.waitSeconds > 0 ? undefined : submitted.ahead);
        });
      },
    });
  });

  app.route({
    method: 'GET',
    url: '/v1/jobs/:id',
    config: { access: 'account', operation: getJobOperation },
    handler: async (request, reply) => {
      const seconds = parseWait(readQuery(request, { names: ['wait'] }).get('wait'));
      const record = await replies.find(request);
      return replies.show(reply, hasEnded(record) ? record : await replies.wait(record, seconds, reply));
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/jobs',
    config: { access: 'account', operation: listJobsOperation },
    handler: async (request) => {
      const query = parseJobListQuery(readQuery(request, JOB_LIST_PARAMETERS));
      if (query.after !== null) await assertListed(request.account, query.after, deps);
      const page = await listJobs(deps.redis, deps.keys, request.account, query, reportUnreadable(deps.logger));
      return toListReply(await replies.showAll(page.jobs), page.hasMore, page.cursor);
    },
  });
}

/** Throws a ServiceError with every problem of the body. */
async function submit(
  request: FastifyRequest,
  client: Client,
  deps: Deps,
): Promise<Submitted | { readonly plan: Awaited<ReturnType<typeof toDryRun>> }> {
  const { body, account } = request;
  if (body === undefined) throw new ServiceError('invalid_json', 'The request has no body. Send a JSON object.');
  const context = validationContextOf(deps, account);
  const check = checkOnce((inputs) => validateSubmission(body, context, inputs));
  const checked = check(null);
  if (!checked.ok) throw ServiceError.ofProblems(checked.problems);
  const wanted = checked.submission.request;
  const prepare = () => prepareInputs(deps.desk, account, check, null, client.gone);
  if (!checked.submission.dryRun) {
    return submitOnce(deps, request, client, { fingerprint: fingerprintOf(SUBMIT_ROUTE, body), wanted, prepare });
  }
  await assertRoom(deps, wanted, account);
  const { submission, held } = await prepare();
  await deps.desk.release(held);
  return { plan: await toDryRun(submission, account, deps) };
}

async function readSubmitted(id: string, { redis, keys }: Deps): Promise<JobRecord> {
  const record = await readJob(redis, keys, id);
  if (record === null) throw new ServiceError('not_found', 'The job this Idempotency-Key made is no longer kept.');
  return record;
}

/** A page can only go on after a job of this account. */
async function assertListed(account: string, id: string, { redis, keys }: Deps): Promise<void> {
  if ((await redis.zscore(keys.accountJobs(account), id)) !== null) return;
  throw new ServiceError('invalid_value', `Invalid value for 'after': no job found with id '${id}'.`, {
    param: 'after',
  });
}
