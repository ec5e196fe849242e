// The query of `GET /v1/files`, each value checked, all problems found at once.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { isFileId } from '@darkroom/shared/base/ids.ts';
import { FILE_PURPOSES } from '@darkroom/shared/files/file-record.ts';
import type { FileQuery } from '@darkroom/shared/files/list-files.ts';
import type { Query } from './query.ts';

export const FILE_LIST_PARAMETERS = { names: ['purpose', 'limit', 'order', 'after'] };

/** OpenAI's, and its default too. */
export const MAX_FILES = 10_000;
const ORDERS = ['asc', 'desc'] as const;

/** Throws one ServiceError for all bad values. */
export function parseFileListQuery(query: Query): FileQuery {
  const problems: ServiceError[] = [];
  const read = <T>(name: string, fallback: T, parse: (text: string) => T | undefined, must: string): T => {
    const text = query.get(name);
    const value = text === null ? fallback : parse(text);
    if (value !== undefined) return value;
    problems.push(
      new ServiceError('invalid_value', `Invalid value for '${name}': it must be ${must}.`, { param: name }),
    );
    return fallback;
  };
  const parsed: FileQuery = {
    purpose: read('purpose', null, (text) => FILE_PURPOSES.find((one) => one === text), oneOf(FILE_PURPOSES)),
    limit: read('limit', MAX_FILES, parseLimit, `a whole number from 1 to ${MAX_FILES}`),
    order: read('order', 'desc', (text) => ORDERS.find((one) => one === text), oneOf(ORDERS)),
    after: read('after', null, (text) => (isFileId(text) ? text : undefined), 'the id of a file'),
  };
  if (problems.length > 0) throw ServiceError.ofProblems(problems);
  return parsed;
}

function parseLimit(text: string): number | undefined {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= MAX_FILES ? value : undefined;
}

function oneOf(values: readonly string[]): string {
  return `one of ${values.join(', ')}`;
}
