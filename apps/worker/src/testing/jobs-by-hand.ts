// For tests: jobs recorded and ended straight in Redis, as API and worker do it, without an upstream.
import { newJobId } from '@darkroom/shared/base/ids.ts';
import { finishAttempt } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { ImageRow } from '@darkroom/shared/jobs/record.ts';
import type { JobSpec } from '@darkroom/shared/jobs/spec.ts';
import { createJob, type JobSteps } from '@darkroom/shared/jobs/steps.ts';
import { TEST_SPEC } from '@darkroom/shared/jobs/test-spec.ts';
import { TERMINAL_JOB_EVENTS } from '@darkroom/shared/requests/webhook.ts';

const SPEC: JobSpec = {
  ...TEST_SPEC,
  account: 'default',
  input: { model: 'gpt-image-2', prompt: 'a secret cat' },
  body: { model: 'gpt-image-2', prompt: 'a secret cat' },
  metadata: { order: '42' },
};

export function imageRow(index: number): ImageRow {
  return {
    index,
    key: `default/job/${index}.png`,
    contentType: 'image/png',
    bytes: 9,
    width: 1_024,
    height: 1_024,
    sha256: 'a'.repeat(64),
    revisedPrompt: 'a secret cat, improved',
  };
}

/** Records a job whose events go to `url`: those that end it, unless `spec` says otherwise. */
export async function submitByHand(steps: JobSteps, url: string, spec: Partial<JobSpec> = {}): Promise<string> {
  const webhook = { url, events: TERMINAL_JOB_EVENTS };
  return (await createJob(steps, newJobId(), { ...SPEC, webhook, ...spec }, null)).id;
}

/** Ends one call of a job: with its image, or failed with a message. */
export async function endByHand(steps: JobSteps, jobId: string, call = 0, failure?: string): Promise<void> {
  await finishAttempt(steps, {
    jobId,
    call,
    seq: 0,
    outcome: failure === undefined ? 'succeeded' : 'rejected',
    facts: {},
    count: '',
    isFinal: failure !== undefined,
    error: failure === undefined ? null : { code: 'moderation_blocked', type: 'server_error', message: failure },
    images: failure === undefined ? [imageRow(call)] : [],
    callImages: [call],
  });
}
