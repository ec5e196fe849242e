// Refuses new work while a lane is full, for all or for one account, so that a flood can't fill Redis. The step that records
// a job keeps the limits exactly; this looks before anything is taken in, and words the refusal.
import type { Redis } from 'ioredis';
import { ServiceError } from '../base/errors.ts';
import type { Keys } from '../base/keys.ts';
import type { LaneRate } from './lane-outlook.ts';

/**
 * Calls without an outcome: of a lane, and of one account in it. Those of batches are never refused, and where single jobs are
 * because of the whole lane only theirs count.
 */
export interface OpenCalls {
  readonly lane: number;
  readonly account: number;
}

/** Nothing was recorded: `limit` has been reached. */
export interface Full {
  readonly limit: keyof OpenCalls;
  /** How many there are now. */
  readonly open: OpenCalls;
}

export interface QueueRoom {
  /**
   * Throws ServiceError `queue_full` when no job of the account can be taken; what it knows may be 250 ms old. `calls`: of
   * the job that asks, which is told when there will be room for all of it.
   */
  assert(lane: string, account: string, calls: number): Promise<void>;
  /** The refusal of a job of so many calls. */
  refusal(lane: string, full: Full, calls: number): Promise<ServiceError>;
}

const KNOWN_FOR_MS = 250;

export function buildQueueRoom(
  { redis, keys }: { readonly redis: Redis; readonly keys: Keys },
  most: OpenCalls,
  rateOf: (lane: string) => Promise<LaneRate>,
): QueueRoom {
  const known = new Map<string, { readonly at: number; readonly open: Promise<LaneCalls> }>();

  const openOf = (lane: string, account: string): Promise<LaneCalls> => {
    const place = `${lane} ${account}`;
    const last = known.get(place);
    if (last !== undefined && Date.now() - last.at < KNOWN_FOR_MS) return last.open;
    const open = readOpenCalls(redis, keys, lane, account);
    known.set(place, { at: Date.now(), open });
    open.catch(() => known.delete(place));
    return open;
  };

  const refusal = async (lane: string, full: Full, calls: number): Promise<ServiceError> =>
    queueFull(full, most, retryAfterSeconds(full, calls, most, await rateOf(lane), Date.now()));

  return {
    async assert(lane, account, calls) {
      const { single, ...open } = await openOf(lane, account);
      if (open.account >= most.account) throw await refusal(lane, { limit: 'account', open }, calls);
      if (single < most.lane) return;
      throw await refusal(lane, { limit: 'lane', open: { ...open, lane: single } }, calls);
    },
    refusal,
  };
}

interface LaneCalls extends OpenCalls {
  /** Of the lane, without those of batches. */
  readonly single: number;
}

async function readOpenCalls(redis: Redis, keys: Keys, lane: string, account: string): Promise<LaneCalls> {
  const [inLane, ofAccount, batched] = await redis.hmget(keys.lane(lane), 'open', `open:${account}`, 'batched');
  const open = { lane: Number(inLane ?? 0), account: Number(ofAccount ?? 0) };
  return { ...open, single: open.lane - Number(batched ?? 0) };
}

const UNKNOWN_SECONDS = 30;
const LONGEST_SECONDS = 3_600;

/** When so many calls will have ended that `calls` more find room, s; an account gets the share of the lane it has now. */
export function retryAfterSeconds(
  { limit, open }: Full,
  calls: number,
  most: OpenCalls,
  rate: LaneRate,
  now: number,
): number {
  if (rate.imagesPerMinute === null || rate.startsAt === null) return UNKNOWN_SECONDS;
  const tooMany = Math.max(1, open[limit] + calls - most[limit]);
  const share = limit === 'account' ? open.account / Math.max(open.account, open.lane) : 1;
  const seconds = (tooMany * rate.imagesPerCall * 60) / (rate.imagesPerMinute * share);
  return Math.min(LONGEST_SECONDS, Math.max(1, Math.ceil(seconds + Math.max(0, rate.startsAt - now) / 1_000)));
}

function queueFull({ limit, open }: Full, most: OpenCalls, seconds: number): ServiceError {
  const whose = limit === 'account' ? ' of your account' : '';
  const message =
    `${open[limit]} calls${whose} for this model are waiting or under way, and at most ${most[limit]} may be. ` +
    `Try again in ${seconds} s.`;
  return new ServiceError('queue_full', message, { headers: { 'retry-after': String(seconds) } });
}
