// How many event streams an account may hold open at this process.
import type { ServerResponse } from 'node:http';
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { Deps } from '../../deps.ts';

const RETRY_AFTER_SECONDS = 10;

export interface StreamPlaces {
  /** A place until the response is closed. Throws ServiceError `too_many_streams` when the account has none left. */
  take(account: string, response: ServerResponse): void;
}

export function buildStreamPlaces({ config, metrics }: Pick<Deps, 'config' | 'metrics'>): StreamPlaces {
  const open = new Map<string, number>();
  const add = (account: string, change: 1 | -1): void => {
    const now = (open.get(account) ?? 0) + change;
    if (now === 0) open.delete(account);
    else open.set(account, now);
    metrics.eventStreamsOpen.inc(change);
  };
  return {
    take(account, response) {
      if ((open.get(account) ?? 0) >= config.MAX_EVENT_STREAMS) {
        throw new ServiceError('too_many_streams', `${config.MAX_EVENT_STREAMS} event streams are open already.`, {
          headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
        });
      }
      add(account, 1);
      response.once('close', () => add(account, -1));
    },
  };
}
