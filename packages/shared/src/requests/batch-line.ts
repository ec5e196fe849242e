// One line of a batch's input: `{custom_id, method, url, body}` in, a submission or every problem out. The body is checked
// by the same rules as any other request; fields of Darkroom's own (metadata, priority, …) stand inside it.
import { ServiceError } from '../base/errors.ts';
import type { Operation } from '../models/rules.ts';
import { checkValue, isRecord } from './allowed.ts';
import { checkEnvelope, readEnvelope, splitEnvelope } from './envelope.ts';
import type { InputImage, InputSet } from './inputs.ts';
import { withoutNulls } from './nulls.ts';
import { placeIn, placeProblem, takeOutOf } from './placing.ts';
import { entriesToCheck, missing, notAnObject, unknownParameter, wrongType } from './problems.ts';
import type { Submission } from './submission.ts';
import { type ValidateContext, validateRequest } from './validate.ts';

/** The endpoints a batch may address (openai-images.md 7, read 2026-11-22), and variations, which OpenAI no longer has. */
export const BATCH_ENDPOINTS = {
  '/v1/images/generations': 'generation',
  '/v1/images/edits': 'edit',
  '/v1/images/variations': 'variation',
} as const satisfies Record<string, Operation>;

export type BatchEndpoint = keyof typeof BATCH_ENDPOINTS;

function isBatchEndpoint(value: unknown): value is BatchEndpoint {
  return typeof value === 'string' && Object.hasOwn(BATCH_ENDPOINTS, value);
}

export type BatchLine =
  | { readonly ok: true; readonly customId: string; readonly submission: Submission; readonly hasPriority: boolean }
  /** `customId` is null when the line has none that could be used. */
  | { readonly ok: false; readonly customId: string | null; readonly problems: ServiceError[] };

const FIELDS: readonly string[] = ['custom_id', 'method', 'url', 'body'];
const LONGEST_CUSTOM_ID = 512;

/**
 * Never fails, whatever the line holds. `endpoint`: the one all lines must address; null = each its own. `inputs`: the
 * line's images, measured, as for `validateRequest`.
 */
export function parseBatchLine(
  text: string,
  endpoint: BatchEndpoint | null,
  context: ValidateContext,
  inputs: InputSet<InputImage> | null = null,
): BatchLine {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return {
      ok: false,
      customId: null,
      problems: [new ServiceError('invalid_json', 'This line is not parseable as valid JSON.')],
    };
  }
  return validateBatchLine(line, endpoint, context, inputs);
}

/** The same for a line that is parsed already. */
function validateBatchLine(
  line: unknown,
  endpoint: BatchEndpoint | null,
  context: ValidateContext,
  inputs: InputSet<InputImage> | null,
): BatchLine {
  if (!isRecord(line)) return { ok: false, customId: null, problems: [notAnObject(line)] };
  const given = withoutNulls(line);
  const customId = typeof given['custom_id'] === 'string' && given['custom_id'] !== '' ? given['custom_id'] : null;
  const frame = checkFrame(given, endpoint);
  const { url, body } = given;
  if (!isBatchEndpoint(url) || !isRecord(body)) return { ok: false, customId, problems: frame };
  const { envelope, input } = splitEnvelope(withoutNulls(body));
  const checked = placeIn('body', validateRequest(BATCH_ENDPOINTS[url], input, context, takeOutOf('body', inputs)));
  const around = [...checkEnvelope(envelope, context.webhooks), ...notInBatches(envelope)];
  around.forEach((problem) => placeProblem('body', problem));
  const problems = [...frame, ...(checked.ok ? [] : checked.problems), ...around];
  if (!checked.ok || customId === null || problems.length > 0) return { ok: false, customId, problems };
  return {
    ok: true,
    customId,
    submission: { request: checked.request, ...readEnvelope(envelope) },
    hasPriority: envelope['priority'] !== undefined,
  };
}

function checkFrame(given: Readonly<Record<string, unknown>>, endpoint: BatchEndpoint | null): ServiceError[] {
  const { custom_id, method, url, body } = given;
  const urls = endpoint === null ? Object.keys(BATCH_ENDPOINTS) : [endpoint];
  return [
    ...(custom_id === undefined
      ? [missing('custom_id')]
      : checkValue('custom_id', custom_id, { kind: 'text', min: 1, max: LONGEST_CUSTOM_ID })),
    ...(method === undefined ? [] : checkValue('method', method, { kind: 'choice', values: ['POST'] })),
    ...(url === undefined ? [missing('url')] : checkValue('url', url, { kind: 'choice', values: urls })),
    ...(body === undefined ? [missing('body')] : isRecord(body) ? [] : [wrongType('body', 'an object', body)]),
    ...entriesToCheck(given)
      .filter(([name]) => !FIELDS.includes(name))
      .map(([name]) => unknownParameter(name, FIELDS)),
  ];
}

function notInBatches(envelope: Readonly<Record<string, unknown>>): ServiceError[] {
  if (envelope['dry_run'] === undefined) return [];
  return [
    new ServiceError('unsupported_parameter', "'dry_run' belongs to the batch, not to a line.", { param: 'dry_run' }),
  ];
}
