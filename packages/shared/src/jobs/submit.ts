// From a validated submission to a recorded, queued job: record first, queue items second. A crash between the two is
// mended by the sweep, so an answer is given only after the record is written.
import { newJobId } from '../base/ids.ts';
import type { CallItem, CallQueues } from '../queues/call-queue.ts';
import { planCalls } from '../requests/plan.ts';
import type { Submission } from '../requests/submission.ts';
import type { JobRecord } from './record.ts';
import type { JobSpec } from './spec.ts';
import { type Created, createJob, type Idempotency, type JobSteps } from './steps.ts';
import type { Asking } from './unanswered.ts';

export interface SubmitDeps {
  readonly steps: JobSteps;
  readonly queues: CallQueues;
  /** Images a minute the operator told for a model, null when not told; a call never carries more. */
  readonly imagesPerMinuteOf: (model: string) => number | null;
  /** The job is recorded but its items could not be queued: Redis went away in between. The sweep queues them. */
  readonly onQueueError: (jobId: string, error: unknown) => void;
}

/**
 * Records the job and queues its calls. Rejects only while nothing is recorded: once it is, the job is accepted, also
 * when queueing fails. `exists`, `joined` and `conflict` queue nothing.
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
  const created = await createJob(deps.steps, id, spec, idempotency, asking);
  if (created.kind !== 'created') return created;
  try {
    await deps.queues.add(spec.lane, spec.priority, itemsOf(created.id, spec.calls.keys(), 1));
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
    responseFormat: request.responseFormat,
    batchId: null,
    customId: null,
    webhook: submission.webhook,
  };
}

/** The queue items of the given calls in one run. */
export function itemsOf(jobId: string, calls: Iterable<number>, run: number): CallItem[] {
  return [...calls].map((call) => ({ jobId, call, run }));
}

/** The items of calls that still lack an outcome. */
export function openItemsOf(record: JobRecord): CallItem[] {
  const open = [...record.calls.keys()].filter((k) => record.calls[k]?.outcome === '');
  return itemsOf(record.id, open, record.run);
}
