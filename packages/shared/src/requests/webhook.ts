// The `webhook` field: which URL hears of a job, and which of its events. Whether a URL is allowed and a secret is there
// to sign with is the caller's to know (`WebhookRules`).
import { ServiceError } from '../base/errors.ts';
import { nearestNames } from '../models/rules.ts';
import { checkValue, isRecord } from './allowed.ts';
import { entriesToCheck, listOf, missing, quote, unknownParameter, wrongType } from './problems.ts';

/** The events that end a job: what a webhook hears when it names none. */
export const TERMINAL_JOB_EVENTS = [
  'job.completed',
  'job.incomplete',
  'job.failed',
  'job.cancelled',
  'job.expired',
] as const;

export const JOB_EVENTS = [...TERMINAL_JOB_EVENTS, 'image.completed'] as const;

/** A webhook of a batch hears of the batch alone (contract section 7). */
export const BATCH_EVENTS = ['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled'] as const;

export interface Webhook {
  readonly url: string;
  readonly events: readonly string[];
}

/** What a job or batch keeps of its webhook for `emit` of the Lua steps: `,type,…,host`; '' without one. */
export function toWebhookMark(webhook: Webhook | null): string {
  return webhook === null ? '' : `,${webhook.events.join(',')},${new URL(webhook.url).host}`;
}

export interface WebhookRules {
  /** What is wrong with a URL, as the end of a sentence that starts with the parameter's name; null when nothing is. */
  readonly urlProblem: (url: string) => string | null;
  /** Why nothing can be signed for this account, as a sentence; null when it has a secret. */
  readonly secretProblem: string | null;
}

export const LONGEST_WEBHOOK_URL = 2_048;
const FIELDS: readonly string[] = ['url', 'events'];

/** Every problem of a `webhook` field without nulls. `known`: the events it may name. */
export function checkWebhook(webhook: unknown, known: readonly string[], rules: WebhookRules): ServiceError[] {
  if (!isRecord(webhook)) return [wrongType('webhook', 'an object', webhook)];
  const unknown = entriesToCheck(webhook).filter(([name]) => !FIELDS.includes(name));
  const problems = [
    ...(webhook['url'] === undefined ? [missing('webhook.url')] : checkUrl(webhook['url'], rules)),
    ...(webhook['events'] === undefined ? [] : checkEvents(webhook['events'], known)),
    ...unknown.map(([name]) => unknownParameter(`webhook.${name}`, FIELDS)),
  ];
  if (rules.secretProblem === null) return problems;
  return [...problems, new ServiceError('invalid_value', rules.secretProblem, { param: 'webhook' })];
}

/** A `webhook` field without problems → what is kept of it; `defaults`: the events of one that names none. */
export function readWebhook(webhook: unknown, defaults: readonly string[]): Webhook | null {
  if (!isRecord(webhook)) return null;
  const events = (webhook['events'] ?? defaults) as readonly string[];
  return { url: webhook['url'] as string, events: [...new Set(events)] };
}

function checkUrl(url: unknown, rules: WebhookRules): ServiceError[] {
  const param = 'webhook.url';
  const wrong = checkValue(param, url, { kind: 'text', min: 1, max: LONGEST_WEBHOOK_URL });
  if (wrong.length > 0) return wrong;
  const problem = rules.urlProblem(url as string);
  return problem === null ? [] : [new ServiceError('invalid_value', `Invalid '${param}': it ${problem}.`, { param })];
}

function checkEvents(events: unknown, known: readonly string[]): ServiceError[] {
  const param = 'webhook.events';
  if (!Array.isArray(events)) return [wrongType(param, 'an array', events)];
  if (events.length === 0) {
    const message = `Invalid '${param}': empty array. Leave it out to hear of every end, or name events.`;
    return [new ServiceError('invalid_value', message, { param })];
  }
  if (events.length > known.length) {
    const message = `Invalid '${param}': array too long. Expected at most ${known.length} events, but got ${events.length} instead.`;
    return [new ServiceError('invalid_value', message, { param })];
  }
  return events.flatMap((event: unknown, index) => checkEvent(event, `${param}[${index}]`, known));
}

function checkEvent(event: unknown, param: string, known: readonly string[]): ServiceError[] {
  if (typeof event !== 'string') return [wrongType(param, 'a string', event)];
  if (known.includes(event)) return [];
  const [nearest] = nearestNames(event, known);
  const hint = nearest === undefined ? '' : ` Did you mean '${nearest}'?`;
  const message = `Invalid value: ${quote(event)}. Supported values are: ${listOf(known)}.${hint}`;
  return [new ServiceError('invalid_value', message, { param })];
}
