// Refuses new work while a lane is full, so that a flood can't fill Redis. A lane that has plenty of room is not asked for
// every job: counting took 6 % of an API process at 2,600 jobs a second.
import { ServiceError } from '../base/errors.ts';
import type { CallQueues } from './call-queue.ts';

const RETRY_AFTER_SECONDS = 30;
/** Other processes fill the lane too, so what is known of it does not hold for long. */
const KNOWN_FOR_MS = 250;
/** Below this share of the room every job asks: the limit is kept exactly when it matters. */
const PLENTY = 0.1;

export interface QueueRoom {
  /** For one job of so many calls. Throws ServiceError `queue_full` when `maxDepth` calls wait in the lane. */
  assert(lane: string, calls: number): Promise<void>;
}

export function buildQueueRoom(queues: Pick<CallQueues, 'depth'>, maxDepth: number): QueueRoom {
  const known = new Map<string, { room: number; at: number }>();
  return {
    async assert(lane, calls) {
      const last = known.get(lane);
      if (last !== undefined && Date.now() - last.at < KNOWN_FOR_MS && last.room > maxDepth * PLENTY) {
        last.room -= calls;
        return;
      }
      const depth = await queues.depth(lane);
      if (depth >= maxDepth) throw queueFull(depth);
      known.set(lane, { room: maxDepth - depth - calls, at: Date.now() });
    },
  };
}

function queueFull(depth: number): ServiceError {
  return new ServiceError('queue_full', `${depth} calls are waiting for this model already. Try again later.`, {
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
  });
}
