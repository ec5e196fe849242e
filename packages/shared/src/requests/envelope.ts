// The fields of a submission around OpenAI's body: webhook, metadata, priority, expires_after, on_unknown, dry_run. They
// are the same on every submitting route; what is inside `input` belongs to validate.ts.
import { ServiceError } from '../base/errors.ts';
import { codePointsOf } from '../models/text.ts';
import type { Allowed } from './allowed.ts';
import { checkValue, isRecord } from './allowed.ts';
import { quote, tooLong, unsupportedParameter, wrongType } from './problems.ts';
import {
  checkWebhook,
  JOB_EVENTS,
  readWebhook,
  TERMINAL_JOB_EVENTS,
  type Webhook,
  type WebhookRules,
} from './webhook.ts';

export type Priority = 'high' | 'normal' | 'low';

/** What becomes of a call whose outcome is unknown: it may have been paid. `retry` makes it once more, `fail` never. */
export type OnUnknown = 'retry' | 'fail';

export interface Envelope {
  webhook: Webhook | null;
  metadata: Record<string, string>;
  priority: Priority;
  /** How long after submission a call not yet sent is given up. */
  expiresAfterSeconds: number;
  /** null: as the worker's ON_UNKNOWN says. */
  onUnknown: OnUnknown | null;
  dryRun: boolean;
}

export const PRIORITIES: readonly Priority[] = ['high', 'normal', 'low'];
export const ON_UNKNOWN: readonly OnUnknown[] = ['retry', 'fail'];
export const DEFAULT_EXPIRES_AFTER_SECONDS = 86_400;
/** 30 days. */
export const MAX_EXPIRES_AFTER_SECONDS = 2_592_000;
/** Lengths in code points, `bytes` of the whole as JSON. */
export const METADATA_LIMITS = { pairs: 16, key: 64, value: 512, bytes: 8_192 } as const;

/** Of the envelope's fields those that hold a single value. */
export const ENVELOPE_VALUES: Readonly<Record<string, Allowed>> = {
  priority: { kind: 'choice', values: PRIORITIES },
  expires_after: { kind: 'integer', min: 1, max: MAX_EXPIRES_AFTER_SECONDS },
  on_unknown: { kind: 'choice', values: ON_UNKNOWN },
  dry_run: { kind: 'flag' },
};

export const ENVELOPE_FIELDS: readonly string[] = ['webhook', 'metadata', ...Object.keys(ENVELOPE_VALUES)];

/** A body without nulls that holds the envelope's fields beside OpenAI's own → the two apart. */
export function splitEnvelope(body: Readonly<Record<string, unknown>>) {
  const entries = Object.entries(body);
  return {
    envelope: Object.fromEntries(entries.filter(([name]) => ENVELOPE_FIELDS.includes(name))),
    input: Object.fromEntries(entries.filter(([name]) => !ENVELOPE_FIELDS.includes(name))),
  };
}

/**
 * Every problem of the envelope's fields in `body`, which holds no nulls; other fields are not looked at. Without rules
 * for webhooks a `webhook` is refused.
 */
export function checkEnvelope(body: Readonly<Record<string, unknown>>, webhooks?: WebhookRules): ServiceError[] {
  return Object.entries(body).flatMap(([name, value]) => {
    if (name === 'webhook') return checkJobWebhook(value, webhooks);
    if (name === 'metadata') return checkMetadata(value);
    const allowed = Object.hasOwn(ENVELOPE_VALUES, name) ? ENVELOPE_VALUES[name] : undefined;
    return allowed === undefined ? [] : checkValue(name, value, allowed);
  });
}

/** The envelope of a body without problems, defaults filled in. */
export function readEnvelope(body: Readonly<Record<string, unknown>>): Envelope {
  return {
    webhook: readWebhook(body['webhook'], TERMINAL_JOB_EVENTS),
    metadata: (body['metadata'] ?? {}) as Record<string, string>,
    priority: (body['priority'] ?? 'normal') as Priority,
    expiresAfterSeconds: (body['expires_after'] ?? DEFAULT_EXPIRES_AFTER_SECONDS) as number,
    onUnknown: (body['on_unknown'] ?? null) as OnUnknown | null,
    dryRun: body['dry_run'] === true,
  };
}

function checkJobWebhook(webhook: unknown, rules: WebhookRules | undefined): ServiceError[] {
  if (rules === undefined) return [unsupportedParameter('webhook', 'It is not available here.')];
  return checkWebhook(webhook, JOB_EVENTS, rules);
}

export function checkMetadata(metadata: unknown): ServiceError[] {
  if (!isRecord(metadata)) return [wrongType('metadata', 'an object', metadata)];
  const pairs = Object.entries(metadata);
  const problems = pairs.slice(0, METADATA_LIMITS.pairs).flatMap(([key, value]) => checkPair(key, value));
  if (pairs.length > METADATA_LIMITS.pairs) problems.unshift(tooManyPairs(pairs.length));
  const bytes = problems.length > 0 ? 0 : Buffer.byteLength(JSON.stringify(metadata));
  return bytes > METADATA_LIMITS.bytes ? [tooLarge(bytes)] : problems;
}

function checkPair(key: string, value: unknown): ServiceError[] {
  const length = codePointsOf(key);
  const param = `metadata.${quote(key).slice(1, -1)}`;
  return [
    ...(length > METADATA_LIMITS.key ? [tooLong(`${param} (key)`, METADATA_LIMITS.key, length)] : []),
    ...checkValue(param, value, { kind: 'text', min: 0, max: METADATA_LIMITS.value }),
  ];
}

function tooManyPairs(count: number): ServiceError {
  const message = `Invalid 'metadata': too many properties. Expected an object with at most ${METADATA_LIMITS.pairs} properties, but got an object with ${count} properties instead.`;
  return new ServiceError('invalid_value', message, { param: 'metadata' });
}

function tooLarge(bytes: number): ServiceError {
  const message = `Invalid 'metadata': too large. Expected at most ${METADATA_LIMITS.bytes} bytes of JSON, but got ${bytes} bytes instead.`;
  return new ServiceError('invalid_value', message, { param: 'metadata' });
}
