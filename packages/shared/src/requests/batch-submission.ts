// Checks the body of `POST /v1/batches`, every problem at once. The lines themselves are checked by workers, by the same
// rules as any request (batch-line.ts).
import { ServiceError } from '../base/errors.ts';
import { type Allowed, checkValue, isRecord } from './allowed.ts';
import { BATCH_ENDPOINTS, type BatchEndpoint } from './batch-line.ts';
import { checkMetadata, PRIORITIES, type Priority } from './envelope.ts';
import { withoutNulls } from './nulls.ts';
import { entriesToCheck, missing, notAnObject, unknownParameter, unsupportedParameter, wrongType } from './problems.ts';
import { BATCH_EVENTS, checkWebhook, readWebhook, type Webhook, type WebhookRules } from './webhook.ts';

export interface BatchSubmission {
  /** Exactly one of `inputFileId` and `requests` is there. */
  readonly inputFileId: string | null;
  readonly requests: readonly unknown[] | null;
  readonly endpoint: BatchEndpoint | null;
  readonly completionWindow: string;
  readonly windowMs: number;
  readonly onInvalid: 'reject' | 'skip';
  readonly priority: Priority;
  readonly metadata: Readonly<Record<string, string>>;
  readonly webhook: Webhook | null;
  readonly dryRun: boolean;
}

export type BatchSubmissionResult = { ok: true; submission: BatchSubmission } | { ok: false; problems: ServiceError[] };

/** Requests that may stand in the body itself; more come as a file. */
const MOST_INLINE_REQUESTS = 1_000;
/** `1h`…`24h`; OpenAI's own is `24h` alone (openai-images.md 7, read 2026-11-22). */
const WINDOWS = Array.from({ length: 24 }, (_, index) => `${index + 1}h`);
const HOUR_MS = 3_600_000;

const FIELDS: Readonly<Record<string, Allowed>> = {
  input_file_id: { kind: 'text', min: 1, max: 128 },
  endpoint: { kind: 'choice', values: Object.keys(BATCH_ENDPOINTS) },
  completion_window: { kind: 'choice', values: WINDOWS },
  on_invalid: { kind: 'choice', values: ['reject', 'skip'] },
  priority: { kind: 'choice', values: PRIORITIES },
  dry_run: { kind: 'flag' },
};
const OTHER_FIELDS = ['requests', 'metadata', 'webhook'];
/** Known to OpenAI's API, not built here: refused, never ignored. */
const NOT_BUILT = ['output_expires_after'];
const KNOWN = [...Object.keys(FIELDS), ...OTHER_FIELDS, ...NOT_BUILT];

/** Never fails, whatever was parsed from JSON. */
export function validateBatchSubmission(body: unknown, webhooks: WebhookRules): BatchSubmissionResult {
  if (!isRecord(body)) return { ok: false, problems: [notAnObject(body)] };
  const given = withoutNulls(body);
  const problems = [
    ...checkInput(given),
    ...(given['completion_window'] === undefined ? [missing('completion_window')] : []),
    ...entriesToCheck(given).flatMap(([name, value]) => checkField(name, value, webhooks)),
  ];
  return problems.length > 0 ? { ok: false, problems } : { ok: true, submission: read(given) };
}

function checkInput({ input_file_id: file, requests, endpoint }: Readonly<Record<string, unknown>>): ServiceError[] {
  if (file === undefined && requests === undefined) return [missing('input_file_id')];
  if (file !== undefined && requests !== undefined) {
    const message = "Send either 'input_file_id' or 'requests', not both.";
    return [new ServiceError('invalid_value', message, { param: 'requests' })];
  }
  return file !== undefined && endpoint === undefined ? [missing('endpoint')] : [];
}

function checkField(name: string, value: unknown, webhooks: WebhookRules): ServiceError[] {
  if (NOT_BUILT.includes(name)) return [unsupportedParameter(name, 'It is not available.')];
  if (name === 'requests') return checkRequests(value);
  if (name === 'metadata') return checkMetadata(value);
  if (name === 'webhook') return checkWebhook(value, BATCH_EVENTS, webhooks);
  const allowed = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  return allowed === undefined ? [unknownParameter(name, KNOWN)] : checkValue(name, value, allowed);
}

function checkRequests(requests: unknown): ServiceError[] {
  if (!Array.isArray(requests)) return [wrongType('requests', 'an array', requests)];
  if (requests.length >= 1 && requests.length <= MOST_INLINE_REQUESTS) return [];
  const message = `Invalid 'requests': expected 1 to ${MOST_INLINE_REQUESTS} requests, but got ${requests.length}. Send more as a file (input_file_id).`;
  return [new ServiceError('invalid_value', message, { param: 'requests' })];
}

function read(given: Readonly<Record<string, unknown>>): BatchSubmission {
  const completionWindow = given['completion_window'] as string;
  return {
    inputFileId: (given['input_file_id'] ?? null) as string | null,
    requests: (given['requests'] ?? null) as readonly unknown[] | null,
    endpoint: (given['endpoint'] ?? null) as BatchEndpoint | null,
    completionWindow,
    windowMs: Number.parseInt(completionWindow, 10) * HOUR_MS,
    onInvalid: given['on_invalid'] === 'skip' ? 'skip' : 'reject',
    priority: (given['priority'] ?? 'low') as Priority,
    metadata: (given['metadata'] ?? {}) as Record<string, string>,
    webhook: readWebhook(given['webhook'], BATCH_EVENTS),
    dryRun: given['dry_run'] === true,
  };
}

/** An inline request as a line of an input file: `operation` becomes the endpoint it stands for. */
export function toInputLine(request: unknown, endpoint: BatchEndpoint | null): unknown {
  if (!isRecord(request)) return request;
  const { operation, url, ...rest } = request;
  const named = Object.entries(BATCH_ENDPOINTS).find(([, name]) => name === operation)?.[0];
  const where =
    url ??
    named ??
    endpoint ??
    (operation === undefined ? undefined : `unknown operation ${JSON.stringify(operation).slice(0, 64)}`);
  return { method: 'POST', ...(where === undefined ? {} : { url: where }), ...rest };
}
