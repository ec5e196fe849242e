// From a validated submission to a recorded, queued job: record first, queue items second. A crash between the two is
// mended by the sweep, so an answer is given only after the record is written.
import { newJobId } from '../base/ids.ts';
import type { OpenCalls } from '../lanes/queue-room.ts';
import type { CallItem, CallQueues } from '../queues/call-queue.ts';
import { planCalls } from '../requests/plan.ts';
import type { Submission } from '../requests/submission.ts';
import type { JobRecord } from './record.ts';
import type { JobSpec } from './spec.ts';
import { type Created, createJob, type Idempotency, type JobSteps, tagCalls } from './steps.ts';
import type { Asking } from './unanswered.ts';

export interface SubmitDeps {
  readonly steps: JobSteps;
  readonly queues: CallQueues;
  /** How many calls may be open before further jobs are refused; null where jobs are always taken. */
  readonly mostOpenCalls: OpenCalls | null;
  /** Images a minute the operator told for a model, null when not told; a call never carries more. */
  readonly imagesPerMinuteOf: (model: string) => number | null;
  /** The job is recorded but its items could not be queued: Redis went away in between. The sweep queues them. */
  readonly onQueueError: (jobId: string, error: unknown) => void;
}

/**
 * Records the job and queues its calls. Rejects only while nothing is recorded: once it is, the job is accepted, also
 * when queueing fails. Whatever is not `created` queues nothing.
 */
export async function submitJob(
  deps: SubmitDeps,
  account: string,
  submission: Submission,
  idempotency: Idempotency | null,
  asking: Asking | null,
): Promise<Created> {
  return submitSpec(deps, newJobId(), toJobSpec(account, submission, deps.imagesPerMinuteOf), idempotency, asking);
}

/** The same for a spec made by the caller, under a fixed id: repeating it makes one job. */
export async function submitSpec(
  deps: SubmitDeps,
  id: string,
  spec: JobSpec,
  idempotency: Idempotency | null,
  asking: Asking | null = null,
): Promise<Created> {
  const created = await createJob(deps.steps, id, spec, idempotency, asking, deps.mostOpenCalls);
  if (created.kind !== 'created') return created;
  try {
    await deps.queues.add(spec.lane, created.items);
  } catch (error) {
    deps.onQueueError(created.id, error);
  }
  return created;
}

export function toJobSpec(
  account: string,
  submission: Submission,
  imagesPerMinuteOf: SubmitDeps['imagesPerMinuteOf'],
): JobSpec {
  const { request } = submission;
  return {
    account,
    operation: request.operation,
    sentAs: request.sentAs,
    model: request.model,
    requestedModel: request.requestedModel,
    lane: request.lane,
    input: request.input,
    body: request.body,
    calls: planCalls(request, imagesPerMinuteOf(request.model)).map((call) => call.images),
    outputFormat: request.outputFormat,
    downscaleTo: request.downscaleTo,
    warnings: request.warnings,
    metadata: submission.metadata,
    priority: submission.priority,
    expiresAfterSeconds: submission.expiresAfterSeconds,
    onUnknown: submission.onUnknown,
    responseFormat: request.responseFormat,
    batchId: null,
    customId: null,
    webhook: submission.webhook,
  };
}

/** The items of calls that still lack an outcome. */
export function openItemsOf({ id: jobId, calls, run }: JobRecord): CallItem[] {
  return [...calls.keys()].filter((k) => calls[k]?.outcome === '').map((call) => ({ jobId, call, run }));
}

/** Queues calls of a job once more, at the end of their flow: their items have got lost. An item that is there stays. */
export async function queueAgain(
  { steps, queues }: Pick<SubmitDeps, 'steps' | 'queues'>,
  { spec }: Pick<JobRecord, 'spec'>,
  items: readonly CallItem[],
): Promise<void> {
  await queues.add(spec.lane, await tagCalls(steps, spec, items));
}
