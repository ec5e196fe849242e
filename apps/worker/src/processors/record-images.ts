// Images of an attempt that goes on: those that are in storage are recorded at once.
import { finishAttempt } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { ImageRow, JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { Deps } from '../deps.ts';

/** First write wins. When that makes the call whole it has succeeded. */
export async function recordImages(
  deps: Deps,
  record: JobRecord,
  call: number,
  images: readonly ImageRow[],
): Promise<void> {
  if (images.length === 0) return;
  const { jobEnded } = await finishAttempt(deps.steps, {
    jobId: record.id,
    call,
    seq: 0,
    outcome: 'succeeded',
    facts: {},
    count: '',
    isFinal: false,
    error: null,
    images,
    callImages: record.spec.calls[call] ?? [],
  });
  if (jobEnded !== null) deps.metrics.jobsEnded.inc({ status: jobEnded });
}
