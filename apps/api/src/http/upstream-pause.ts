// Refuses those who would wait for an image while none can be made: the upstream does not accept the operator's key.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { type Pause, readPause } from '@darkroom/shared/queues/upstream-keys.ts';
import type { Deps } from '../deps.ts';

/** Throws the upstream's own error while every key is paused; a 401 as 503 `upstream_unauthorized`. */
export async function assertNotPaused({ redis, keys }: Pick<Deps, 'redis' | 'keys'>): Promise<void> {
  const pause = await readPause(redis, keys, Date.now());
  if (pause !== null) throw toError(pause);
}

function toError({ status, type, code, message }: Pause): ServiceError {
  const headers = { 'x-should-retry': 'false' };
  if (status !== 401) return ServiceError.upstream({ status, type, code, message, verdict: 'final', headers });
  const told = `The upstream refuses the API key of this Darkroom; its operator has to mend that. It said: ${message}`;
  return new ServiceError('upstream_unauthorized', told, { headers });
}
