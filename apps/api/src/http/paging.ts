// `limit` and `after` of the simple lists.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from './job-query.ts';
import type { Query } from './query.ts';

/** Throws ServiceError `invalid_value`. Whether `after` names anything is for the list to say. */
export function parsePaging(query: Query): { limit: number; after: string | null } {
  const text = query.get('limit');
  const limit = text === null ? DEFAULT_LIMIT : /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) {
    const message = `Invalid value for 'limit': it must be a whole number from 1 to ${MAX_LIMIT}.`;
    throw new ServiceError('invalid_value', message, { param: 'limit' });
  }
  return { limit, after: query.get('after') };
}
