// The query of `GET /v1/jobs`: paging and filters, each checked, all problems found at once.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { isJobId } from '@darkroom/shared/base/ids.ts';
import { JOB_STATUSES } from '@darkroom/shared/jobs/record.ts';
import type { JobFilter } from '@darkroom/shared/jobs/store.ts';
import { OPERATIONS } from '@darkroom/shared/models/rules.ts';
import type { Query } from './query.ts';

export const JOB_LIST_PARAMETERS = {
  names: ['limit', 'after', 'order', 'status', 'operation', 'model', 'batch_id', 'created_after', 'created_before'],
  maps: ['metadata'],
};

export const DEFAULT_LIMIT = 20;
export const MAX_LIMIT = 100;
const LONGEST_TEXT = 512;
const LATEST_UNIX_SECONDS = 99_999_999_999;

export interface JobListQuery {
  readonly limit: number;
  readonly order: 'asc' | 'desc';
  readonly after: string | null;
  readonly filter: JobFilter;
}

/** Throws one ServiceError for all bad values. `created_after` and `created_before` exclude the second they name. */
export function parseJobListQuery(query: Query): JobListQuery {
  const problems: ServiceError[] = [];
  const read = <T>(name: string, parse: (text: string) => T | null, must: string): T | undefined => {
    const text = query.get(name);
    if (text === null) return undefined;
    const value = parse(text);
    if (value !== null) return value;
    problems.push(
      new ServiceError('invalid_value', `Invalid value for '${name}': it must be ${must}.`, { param: name }),
    );
    return undefined;
  };
  const oneOf = <T extends string>(name: string, values: readonly T[]): T | undefined =>
    read(name, (text) => values.find((value) => value === text) ?? null, `one of ${values.join(', ')}`);
  const after = read('created_after', (text) => parseWhole(text, 0, LATEST_UNIX_SECONDS), 'unix seconds');
  const before = read('created_before', (text) => parseWhole(text, 0, LATEST_UNIX_SECONDS), 'unix seconds');
  const result = {
    limit:
      read('limit', (text) => parseWhole(text, 1, MAX_LIMIT), `a whole number from 1 to ${MAX_LIMIT}`) ?? DEFAULT_LIMIT,
    order: oneOf('order', ['asc', 'desc'] as const) ?? 'desc',
    after: read('after', (text) => (isJobId(text) ? text : null), 'the id of a job') ?? null,
    filter: withoutUndefined({
      status: oneOf('status', JOB_STATUSES),
      operation: oneOf('operation', OPERATIONS),
      model: read('model', parseText, `1 to ${LONGEST_TEXT} characters`),
      batchId: read('batch_id', parseText, `1 to ${LONGEST_TEXT} characters`),
      metadata: query.map('metadata'),
      createdFrom: after === undefined ? undefined : (after + 1) * 1_000,
      createdTo: before === undefined ? undefined : before * 1_000 - 1,
    }),
  };
  if (problems.length > 0) throw ServiceError.ofProblems(problems);
  return result;
}

function parseWhole(text: string, min: number, max: number): number | null {
  const value = /^\d{1,11}$/.test(text) ? Number(text) : -1;
  return value >= min && value <= max ? value : null;
}

function parseText(text: string): string | null {
  return text.length >= 1 && text.length <= LONGEST_TEXT ? text : null;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
