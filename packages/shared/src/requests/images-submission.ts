// Checks a body of `/v1/images/*`: OpenAI's own, with the fields of Darkroom's envelope beside it. A caller waits for the
// reply, so it goes first unless it says otherwise.
import { ServiceError } from '../base/errors.ts';
import type { Operation } from '../models/rules.ts';
import { isRecord } from './allowed.ts';
import { checkEnvelope, readEnvelope, splitEnvelope } from './envelope.ts';
import type { InputImage, InputSet } from './inputs.ts';
import { withoutNulls } from './nulls.ts';
import { notAnObject } from './problems.ts';
import type { SubmissionResult } from './submission.ts';
import { type ValidateContext, validateRequest } from './validate.ts';

/** Never fails, whatever was parsed from JSON or a form. `inputs`: the body's images, measured, as for `validateRequest`. */
export function validateImagesRequest(
  operation: Operation,
  body: unknown,
  context: ValidateContext,
  inputs: InputSet<InputImage> | null = null,
): SubmissionResult {
  if (!isRecord(body)) return { ok: false, problems: [notAnObject(body)] };
  const { envelope, input } = splitEnvelope(withoutNulls(body));
  const checked = validateRequest(operation, input, context, inputs);
  const problems = [
    ...(checked.ok ? [] : checked.problems),
    ...checkEnvelope(envelope, context.webhooks),
    ...noDryRuns(envelope),
  ];
  if (!checked.ok || problems.length > 0) return { ok: false, problems };
  return { ok: true, submission: { request: checked.request, ...readEnvelope({ priority: 'high', ...envelope }) } };
}

function noDryRuns(envelope: Readonly<Record<string, unknown>>): ServiceError[] {
  if (envelope['dry_run'] === undefined) return [];
  const message = "Unsupported parameter: 'dry_run'. Plans are made by POST /v1/jobs.";
  return [new ServiceError('unsupported_parameter', message, { param: 'dry_run' })];
}
