// Where a client that comes back left off: the Last-Event-ID header, or `?last_event_id=` for clients that can't set it.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { isPosition } from '@darkroom/shared/jobs/event-log.ts';
import type { FastifyRequest } from 'fastify';
import type { Query } from '../query.ts';

export const LAST_EVENT_ID = 'last_event_id';

/**
 * The position, or null when the client begins. The header wins: an EventSource repeats its URL, and with it an older
 * parameter, each time it reconnects. Throws ServiceError `invalid_value`.
 */
export function readLastEventId(request: FastifyRequest, query: Query): string | null {
  const header = request.headers['last-event-id'];
  const [name, text] =
    typeof header === 'string' && header !== '' ? ['Last-Event-ID', header] : [LAST_EVENT_ID, query.get(LAST_EVENT_ID)];
  if (text === null || isPosition(text)) return text;
  throw new ServiceError('invalid_value', `Invalid value for '${name}': it must be the id of an event.`, {
    param: name,
  });
}
