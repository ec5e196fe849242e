// The query of `GET /v1/webhook_deliveries`: paging and filters, each checked, all problems found at once.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { isEventId, isJobId } from '@darkroom/shared/base/ids.ts';
import { BATCH_EVENTS, JOB_EVENTS } from '@darkroom/shared/requests/webhook.ts';
import { DELIVERY_STATES } from '@darkroom/shared/webhooks/delivery.ts';
import type { DeliveryFilter, DeliveryQuery } from '@darkroom/shared/webhooks/list.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from './job-query.ts';
import type { Query } from './query.ts';

export const DELIVERY_LIST_PARAMETERS = { names: ['limit', 'after', 'order', 'state', 'type', 'job_id', 'host'] };

export const WEBHOOK_EVENTS: readonly string[] = [...JOB_EVENTS, ...BATCH_EVENTS];

/** Host names end at 253 characters; a port may follow. */
const LONGEST_HOST = 260;

/** Throws one ServiceError for all bad values. */
export function parseDeliveryQuery(query: Query): DeliveryQuery {
  const problems: ServiceError[] = [];
  const read = <T>(name: string, parse: (text: string) => T | undefined, must: string): T | undefined => {
    const text = query.get(name);
    if (text === null) return undefined;
    const value = parse(text);
    if (value === undefined) {
      const message = `Invalid value for '${name}': it must be ${must}.`;
      problems.push(new ServiceError('invalid_value', message, { param: name }));
    }
    return value;
  };
  const oneOf = <T extends string>(name: string, values: readonly T[]): T | undefined =>
    read(name, (text) => values.find((value) => value === text), `one of ${values.join(', ')}`);
  const parsed = {
    limit: read('limit', parseLimit, `a whole number from 1 to ${MAX_LIMIT}`) ?? DEFAULT_LIMIT,
    order: oneOf('order', ['asc', 'desc'] as const) ?? 'desc',
    after: read('after', (text) => (isEventId(text) ? text : undefined), 'the id of a delivery') ?? null,
    filter: withoutUndefined({
      state: oneOf('state', DELIVERY_STATES),
      type: oneOf('type', WEBHOOK_EVENTS),
      jobId: read('job_id', (text) => (isJobId(text) ? text : undefined), 'the id of a job'),
      host: read('host', parseHost, 'a host, with its port when the URL names one'),
    }),
  };
  if (problems.length > 0) throw ServiceError.ofProblems(problems);
  return parsed;
}

function parseLimit(text: string): number | undefined {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= MAX_LIMIT ? value : undefined;
}

function parseHost(text: string): string | undefined {
  return text.length >= 1 && text.length <= LONGEST_HOST ? text.toLowerCase() : undefined;
}

function withoutUndefined(fields: { [K in keyof DeliveryFilter]: DeliveryFilter[K] | undefined }): DeliveryFilter {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
