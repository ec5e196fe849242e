// Carries out a line's plan: its job is recorded and queued, or the batch notes why there is none. Safe to repeat: a line
// makes one job, whose id follows from batch and line.
import type { ServiceError } from '@darkroom/shared/base/errors.ts';
import { batchJobIdOf } from '@darkroom/shared/base/ids.ts';
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import { noteMade, noteUnmade } from '@darkroom/shared/batches/unmade-lines.ts';
import type { HeldInput } from '@darkroom/shared/inputs/desk.ts';
import type { JobSpec } from '@darkroom/shared/jobs/spec.ts';
import { retryJob } from '@darkroom/shared/jobs/steps.ts';
import { submitSpec, toJobSpec } from '@darkroom/shared/jobs/submit.ts';
import type { Deps } from '../../deps.ts';
import { inputsUntil, isRefusal, type LinePlan, problemsOf, type ValidLine } from './plan-line.ts';

/** Throws when storage or Redis is away. */
export async function feedLine(deps: Deps, record: BatchRecord, plan: LinePlan): Promise<void> {
  switch (plan.kind) {
    case 'skip':
      return;
    case 'refuse':
      return noteUnmade(deps, record, plan.line.number, plan.problems);
    case 'submit':
      return submitLine(deps, record, plan);
    case 'again':
      return repeatJob(deps, record, plan);
  }
}

async function submitLine(
  deps: Deps,
  record: BatchRecord,
  { line, valid, held }: Extract<LinePlan, { kind: 'submit' }>,
): Promise<void> {
  const refusal = await keepInputs(deps, record, held);
  if (refusal !== null) return noteUnmade(deps, record, line.number, problemsOf(refusal));
  const spec = toBatchJobSpec(deps, record, valid);
  const { kind } = await submitSpec(deps.submit, batchJobIdOf(record.id, line.number), spec, null);
  if (kind === 'closed') await noteUnmade(deps, record, line.number, []);
  // Without inputs a line can't have been noted but as `closed`, in an earlier run.
  else if (held.length > 0 || line.number <= record.fedLine) await noteMade(deps, record, line.number);
}

async function repeatJob(
  deps: Deps,
  record: BatchRecord,
  { valid, job, held }: Extract<LinePlan, { kind: 'again' }>,
): Promise<void> {
  // What is refused here its calls will say: that their images are gone.
  await keepInputs(deps, record, held);
  const { expiresAfterSeconds } = toBatchJobSpec(deps, record, valid);
  const retried = await retryJob(deps.steps, { ...job, spec: { ...job.spec, expiresAfterSeconds } }, 'batch');
  if (retried.kind === 'retried') await deps.queues.add(job.spec.lane, retried.items);
}

/** Why they can't be kept, when that is the line's affair: storage has lost the image of a file. Else null. */
async function keepInputs(deps: Deps, record: BatchRecord, held: readonly HeldInput[]): Promise<ServiceError | null> {
  try {
    if (held.length > 0) await deps.desk.keep(record.spec.account, held, inputsUntil(deps, record));
    return null;
  } catch (error) {
    if (isRefusal(error)) return error;
    throw error;
  }
}

function toBatchJobSpec(deps: Deps, record: BatchRecord, { customId, submission, hasPriority }: ValidLine): JobSpec {
  const leftSeconds = Math.max(1, Math.ceil((record.expiresAt - Date.now()) / 1_000));
  return {
    ...toJobSpec(record.spec.account, submission, deps.submit.imagesPerMinuteOf),
    priority: hasPriority ? submission.priority : record.spec.priority,
    expiresAfterSeconds: Math.min(submission.expiresAfterSeconds, leftSeconds),
    batchId: record.id,
    customId,
  };
}
