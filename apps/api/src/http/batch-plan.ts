// The answer to a batch's `dry_run: true`: counts, problems and cost of all lines. Nothing is recorded or queued.
import { toUsd } from '@darkroom/shared/base/units.ts';
import { buildImageCheck } from '@darkroom/shared/batches/check-images.ts';
import { checkLines } from '@darkroom/shared/batches/check-lines.ts';
import { upperBoundMicroUsd } from '@darkroom/shared/models/price.ts';
import type { BatchSubmission } from '@darkroom/shared/requests/batch-submission.ts';
import { planCalls } from '@darkroom/shared/requests/plan.ts';
import type { Submission } from '@darkroom/shared/requests/submission.ts';
import type { Deps } from '../deps.ts';
import type { BatchInput } from './batch-input.ts';
import { validationContextOf } from './validation-context.ts';

interface Totals {
  images: number;
  calls: number;
  /** null as soon as one line's price is not known. */
  estimateMicroUsd: number | null;
  boundMicroUsd: number | null;
}

export async function toBatchPlan(deps: Deps, account: string, submission: BatchSubmission, input: BatchInput) {
  const totals: Totals = { images: 0, calls: 0, estimateMicroUsd: 0, boundMicroUsd: 0 };
  const checked = await checkLines(
    { store: deps.store, checkImages: buildImageCheck(deps.desk, account) },
    input.key,
    submission.endpoint,
    validationContextOf(deps, account),
    (line) => addLine(totals, line, deps),
  );
  return {
    object: 'batch.plan',
    request_counts: { total: checked.total, valid: checked.total - checked.invalid, invalid: checked.invalid },
    errors: checked.problems.length === 0 ? null : { object: 'list', data: checked.problems },
    images: totals.images,
    calls: totals.calls,
    estimated_cost_usd: toUsd(totals.estimateMicroUsd),
    max_cost_usd: toUsd(totals.boundMicroUsd),
  };
}

function addLine(totals: Totals, { request }: Submission, { submit }: Deps): void {
  totals.images += request.n;
  totals.calls += planCalls(request, submit.imagesPerMinuteOf(request.model)).length;
  totals.estimateMicroUsd = plus(totals.estimateMicroUsd, request.estimateMicroUsd);
  totals.boundMicroUsd = plus(totals.boundMicroUsd, upperBoundMicroUsd(request.model, request.body, request.n));
}

function plus(sum: number | null, part: number | null): number | null {
  return sum === null || part === null ? null : sum + part;
}
