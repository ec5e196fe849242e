// Checks the body of `POST /v1/jobs`: the envelope and OpenAI's body in `input`, all problems together.
import type { ServiceError } from '../base/errors.ts';
import type { Operation } from '../models/rules.ts';
import { OPERATIONS } from '../models/rules.ts';
import { checkValue, isRecord } from './allowed.ts';
import type { Envelope, Priority } from './envelope.ts';
import { checkEnvelope, ENVELOPE_FIELDS, readEnvelope } from './envelope.ts';
import type { InputImage, InputSet } from './inputs.ts';
import { withoutNulls } from './nulls.ts';
import { placeIn, takeOutOf } from './placing.ts';
import { entriesToCheck, missing, notAnObject, unknownParameter, wrongType } from './problems.ts';
import type { ImageRequest, ValidateContext, Validation } from './validate.ts';
import { validateRequest } from './validate.ts';

export type { Priority };

/** What a caller submits: the request and how to treat its job. */
export interface Submission extends Envelope {
  request: ImageRequest;
}

/** `problems` is never empty; the `param` of a field of OpenAI's body starts with `input.`. */
export type SubmissionResult = { ok: true; submission: Submission } | { ok: false; problems: ServiceError[] };

const FIELDS: readonly string[] = ['operation', 'input', ...ENVELOPE_FIELDS];

/** Never fails, whatever was parsed from JSON. `inputs`: the body's images, measured, as for `validateRequest`. */
export function validateSubmission(
  body: unknown,
  context: ValidateContext,
  inputs: InputSet<InputImage> | null = null,
): SubmissionResult {
  if (!isRecord(body)) return { ok: false, problems: [notAnObject(body)] };
  const given = withoutNulls(body);
  const checked = checkRequest(given, context, inputs);
  const problems = [
    ...(checked.ok ? [] : checked.problems),
    ...checkEnvelope(given, context.webhooks),
    ...unknownFields(given),
  ];
  if (!checked.ok || problems.length > 0) return { ok: false, problems };
  return { ok: true, submission: { request: withRouteWarnings(checked.request), ...readEnvelope(given) } };
}

function checkRequest(
  { operation, input }: Readonly<Record<string, unknown>>,
  context: ValidateContext,
  inputs: InputSet<InputImage> | null,
): Validation {
  const problems = operation === undefined ? [missing('operation')] : checkOperation(operation);
  if (input === undefined) problems.push(missing('input'));
  else if (!isRecord(input)) problems.push(wrongType('input', 'an object', input));
  if (problems.length > 0 || !isOperation(operation)) return { ok: false, problems };
  return placeIn('input', validateRequest(operation, input, context, takeOutOf('input', inputs)));
}

function checkOperation(operation: unknown): ServiceError[] {
  return checkValue('operation', operation, { kind: 'choice', values: OPERATIONS });
}

function isOperation(value: unknown): value is Operation {
  return (OPERATIONS as readonly unknown[]).includes(value);
}

function unknownFields(given: Readonly<Record<string, unknown>>): ServiceError[] {
  return entriesToCheck(given)
    .filter(([name]) => !FIELDS.includes(name))
    .map(([name]) => unknownParameter(name, FIELDS));
}

function withRouteWarnings(request: ImageRequest): ImageRequest {
  if (request.input['response_format'] === undefined) return request;
  return {
    ...request,
    warnings: [...request.warnings, 'response_format has no effect on /v1/jobs: images come as links'],
  };
}
