// OpenAI's Batch API for images: create, read, list, cancel; and Darkroom's own retry and list of jobs.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { newBatchId } from '@darkroom/shared/base/ids.ts';
import { listBatchJobs } from '@darkroom/shared/batches/jobs.ts';
import { toPublicBatch } from '@darkroom/shared/batches/public-batch.ts';
import { type BatchRecord, type BatchSpec, hasBatchEnded } from '@darkroom/shared/batches/record.ts';
import { cancelBatch, createBatch, type RetriedBatch, retryBatch } from '@darkroom/shared/batches/steps.ts';
import { listBatches } from '@darkroom/shared/batches/store.ts';
import { type BatchSubmission, validateBatchSubmission } from '@darkroom/shared/requests/batch-submission.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { openBatchInput } from '../http/batch-input.ts';
import { toBatchPlan } from '../http/batch-plan.ts';
import { buildBatchReplies, noSuchBatch } from '../http/batch-reply.ts';
import { answer, type Client, watchClient } from '../http/client.ts';
import { findEarlier, type Submitted, samenessOf, sayEarlier, toSubmitted } from '../http/earlier.ts';
import { assertNothingAsked } from '../http/empty-request.ts';
import { fingerprintOf } from '../http/fingerprint.ts';
import { buildJobReplies } from '../http/job-reply.ts';
import { reportUnreadable, toListReply } from '../http/list-reply.ts';
import { parsePaging } from '../http/paging.ts';
import { readQuery } from '../http/query.ts';
import { webhookRulesOf } from '../http/webhook-rules.ts';
import {
  cancelBatchOperation,
  createBatchOperation,
  getBatchOperation,
  listBatchesOperation,
  listBatchJobsOperation,
  retryBatchOperation,
} from '../openapi/batch-operations.ts';

const SUBMIT_ROUTE = 'POST /v1/batches';
/** 1,000 inline requests with prompts of 32,000 characters would be more; those come as a file. */
const INLINE_LIMIT_BYTES = 16 * 1_024 * 1_024;

export function registerBatches(app: App, deps: Deps): void {
  const replies = buildBatchReplies(deps);
  const jobReplies = buildJobReplies(deps);
  const steps = deps.batchSteps;

  app.route({
    method: 'POST',
    url: '/v1/batches',
    bodyLimit: INLINE_LIMIT_BYTES,
    config: { access: 'account', operation: createBatchOperation },
    handler: async (request, reply) => {
      readQuery(request, { names: [] });
      const client = watchClient(deps, request, reply);
      const submission = readSubmission(request, deps);
      return answer(client, reply, async () => {
        if (submission.dryRun) return plan(request.account, submission, deps);
        const submitted = await submitOnce(request, client, submission, deps);
        sayEarlier(reply, submitted);
        client.getsFinalReply();
        return toPublicBatch(await replies.read(request.account, submitted.id), Date.now());
      });
    },
  });

  app.get('/v1/batches/:id', { config: { access: 'account', operation: getBatchOperation } }, async (request) => {
    readQuery(request, { names: [] });
    return toPublicBatch(await replies.find(request), Date.now());
  });

  app.get('/v1/batches', { config: { access: 'account', operation: listBatchesOperation } }, async (request) => {
    const { limit, after } = parsePaging(readQuery(request, { names: ['limit', 'after'] }));
    if (after !== null) await replies.read(request.account, after);
    const page = await listBatches(deps.redis, deps.keys, request.account, limit, after);
    const data = page.batches.map((batch) => toPublicBatch(batch, Date.now()));
    return toListReply(data, page.hasMore);
  });

  app.route({
    method: 'POST',
    url: '/v1/batches/:id/cancel',
    config: { access: 'account', operation: cancelBatchOperation },
    handler: async (request) => {
      assertNothingAsked(request);
      const { id } = await replies.find(request);
      await cancelBatch(steps, id);
      return toPublicBatch(await replies.find(request), Date.now());
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/batches/:id/retry',
    config: { access: 'account', operation: retryBatchOperation },
    handler: async (request, reply) => {
      assertNothingAsked(request);
      const client = watchClient(deps, request, reply);
      return answer(client, reply, async () => {
        sayEarlier(reply, await retryOnce(request, client, await replies.find(request), deps));
        client.getsFinalReply();
        void reply.code(202);
        return toPublicBatch(await replies.find(request), Date.now());
      });
    },
  });

  app.get(
    '/v1/batches/:id/jobs',
    { config: { access: 'account', operation: listBatchJobsOperation } },
    async (request) => {
      const { limit, after } = parsePaging(readQuery(request, { names: ['limit', 'after'] }));
      const batch = await replies.find(request);
      const page = await listBatchJobs(deps.redis, deps.keys, batch, limit, after, reportUnreadable(deps.logger));
      const data = await jobReplies.showAll(page.jobs);
      return toListReply(data, page.hasMore);
    },
  );
}

/** The answer to `dry_run`, of which nothing stays. */
async function plan(account: string, submission: BatchSubmission, deps: Deps): ReturnType<typeof toBatchPlan> {
  const input = await openBatchInput(deps, account, submission);
  try {
    return await toBatchPlan(deps, account, submission, input);
  } finally {
    await input.discard();
  }
}

/** Finds the batch this request has made before, or makes it. Throws `idempotency_key_reuse`, and for a wrong input. */
async function submitOnce(
  request: FastifyRequest,
  client: Client,
  submission: BatchSubmission,
  deps: Deps,
): Promise<Submitted> {
  const { account, body } = request;
  const sameness = samenessOf(request, client, fingerprintOf(SUBMIT_ROUTE, body));
  const earlier = await findEarlier(deps, account, client, sameness);
  if (earlier !== null) return earlier;
  const input = await openBatchInput(deps, account, submission);
  await client.assertThere();
  const spec = toSpec(account, submission, input.key);
  const { idempotency, asking } = sameness;
  const made = await createBatch(deps.batchSteps, newBatchId(), spec, idempotency, asking);
  if (made.kind !== 'created') await input.discard();
  return toSubmitted(made, client, sameness);
}

/** Opens the batch for a new run, unless this request or its client's earlier try has. Throws what `assertRetried` throws. */
async function retryOnce(request: FastifyRequest, client: Client, record: BatchRecord, deps: Deps): Promise<Submitted> {
  const { id, spec } = record;
  const sameness = samenessOf(request, client, fingerprintOf(`POST /v1/batches/${id}/retry`, null));
  const earlier = await findEarlier(deps, request.account, client, sameness);
  if (earlier !== null) return earlier;
  if (hasBatchEnded(record) && (await deps.store.head(spec.inputKey)) === null) throw inputGone(id);
  await client.assertThere();
  const kind = await retryBatch(deps.batchSteps, record, sameness.idempotency, sameness.asking);
  return toSubmitted({ kind: assertRetried(id, kind), id }, client, sameness);
}

/** Throws a ServiceError with every problem of the body. */
function readSubmission(request: FastifyRequest, deps: Deps): BatchSubmission {
  if (request.body === undefined)
    throw new ServiceError('invalid_json', 'The request has no body. Send a JSON object.');
  const result = validateBatchSubmission(request.body, webhookRulesOf(deps, request.account));
  if (!result.ok) throw ServiceError.ofProblems(result.problems);
  return result.submission;
}

function toSpec(account: string, submission: BatchSubmission, inputKey: string): BatchSpec {
  const { endpoint, inputFileId, completionWindow, windowMs, onInvalid, priority, metadata, webhook } = submission;
  return {
    account,
    endpoint,
    inputFileId,
    inputKey,
    completionWindow,
    windowMs,
    onInvalid,
    priority,
    metadata,
    webhook,
  };
}

function inputGone(id: string): ServiceError {
  const message = `Batch '${id}' can't run again: its input file is gone. Submit its failed requests anew.`;
  return new ServiceError('input_file_gone', message);
}

/** Throws `not_found`, `batch_not_ended`, `nothing_to_retry`. */
function assertRetried(id: string, result: RetriedBatch): 'created' | 'exists' | 'joined' | 'conflict' {
  if (result === 'gone') throw noSuchBatch(id);
  if (result === 'open') throw new ServiceError('batch_not_ended', `Batch '${id}' has not ended yet.`);
  if (result === 'refused')
    throw new ServiceError('nothing_to_retry', `The input of batch '${id}' was refused or is gone; send it anew.`);
  if (result === 'whole') throw new ServiceError('nothing_to_retry', `Batch '${id}' has no failed requests.`);
  return result === 'retried' ? 'created' : result;
}
