// The answer to `dry_run: true`: what a submission would be sent as and cost. Nothing is recorded or queued.
import { toUsd } from '@darkroom/shared/base/units.ts';
import { upperBoundMicroUsd } from '@darkroom/shared/models/price.ts';
import { planCalls } from '@darkroom/shared/requests/plan.ts';
import type { Submission } from '@darkroom/shared/requests/submission.ts';
import type { Deps } from '../deps.ts';

export async function toDryRun({ request }: Submission, { submit, queues }: Pick<Deps, 'submit' | 'queues'>) {
  const imagesPerMinute = submit.imagesPerMinuteOf(request.model);
  const calls = planCalls(request, imagesPerMinute);
  const bounds = calls.map((call) => upperBoundMicroUsd(request.model, request.body, call.images.length));
  return {
    object: 'job.plan',
    operation: request.operation,
    model: request.model,
    requested_model: request.requestedModel,
    calls,
    body: request.body,
    warnings: request.warnings,
    estimated_cost_usd: toUsd(request.estimateMicroUsd),
    max_cost_usd: toUsd(bounds.reduce((sum, bound) => (sum === null || bound === null ? null : sum + bound), 0)),
    expected_wait_seconds:
      imagesPerMinute === null ? null : toWaitSeconds(await queues.depth(request.lane), imagesPerMinute),
  };
}

/** At least this long until the first call is sent: each waiting call makes one image or more. */
function toWaitSeconds(waitingCalls: number, imagesPerMinute: number): number {
  return Math.ceil((waitingCalls * 60) / imagesPerMinute);
}
