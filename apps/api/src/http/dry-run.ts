// The answer to `dry_run: true`: what a submission would be sent as and cost, and how long it would wait. Nothing is recorded
// or queued.
import { toUsd } from '@darkroom/shared/base/units.ts';
import { planPlace } from '@darkroom/shared/jobs/steps.ts';
import { expectedWaitSeconds } from '@darkroom/shared/lanes/lane-outlook.ts';
import { upperBoundMicroUsd } from '@darkroom/shared/models/price.ts';
import { planCalls } from '@darkroom/shared/requests/plan.ts';
import type { Submission } from '@darkroom/shared/requests/submission.ts';
import type { Deps } from '../deps.ts';

export async function toDryRun(
  { request, priority }: Submission,
  account: string,
  { submit, rateOf }: Pick<Deps, 'submit' | 'rateOf'>,
) {
  const calls = planCalls(request, submit.imagesPerMinuteOf(request.model));
  const bounds = calls.map((call) => upperBoundMicroUsd(request.model, request.body, call.images.length));
  const first = { account, lane: request.lane, priority, images: calls[0]?.images.length ?? 1 };
  const ahead = await planPlace(submit.steps, first);
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
    expected_wait_seconds: expectedWaitSeconds(await rateOf(request.lane), ahead, Date.now()),
  };
}
