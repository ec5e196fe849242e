// Refuses new work while a lane is full, so that a flood can't fill Redis.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { Deps } from '../deps.ts';

const RETRY_AFTER_SECONDS = 30;

/** Throws ServiceError `queue_full` when MAX_QUEUE_DEPTH calls wait in the lane. */
export async function assertRoom({ config, queues }: Pick<Deps, 'config' | 'queues'>, lane: string): Promise<void> {
  const depth = await queues.depth(lane);
  if (depth < config.MAX_QUEUE_DEPTH) return;
  throw new ServiceError('queue_full', `${depth} calls are waiting for this model already. Try again later.`, {
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
  });
}
