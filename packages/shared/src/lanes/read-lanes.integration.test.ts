import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { Worker } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Keys, keysOf } from '../base/keys.ts';
import { LANES } from '../models/rules.ts';
import { type CallQueues, laneQueueName, openCallQueues } from '../queues/call-queue.ts';
import { readLanes } from './read-lanes.ts';

const LANE = 'gpt-image-2';
let redis: TestRedis;
let keys: Keys;
let queues: CallQueues;

beforeAll(async () => {
  redis = await openTestRedis();
  keys = keysOf(redis.prefix);
  queues = openCallQueues(redis.redis, keys);
});
afterAll(async () => {
  await queues.close();
  await redis.close();
});

async function read(lane = LANE) {
  const [state] = await readLanes(redis.redis, keys, [lane]);
  if (state === undefined) throw new Error('no state');
  return state;
}

describe('a lane', () => {
  it('that was never used is all zeros under the key there is by default', async () => {
    const states = await readLanes(redis.redis, keys, LANES);
    expect(states.map(({ id }) => id)).toEqual(LANES);
    for (const state of states) {
      expect(state).toMatchObject({ waiting: 0, delayed: 0, active: 0, openCalls: 0, openByAccount: [] });
      expect(state).toMatchObject({ startedPerMinute: { calls: 0, images: 0 }, restingUntil: null });
      expect(state.keys.map(({ name, host, paused }) => [name, host, paused])).toEqual([['default', null, null]]);
    }
  });

  it('counts what BullMQ keeps as BullMQ itself does', async () => {
    const queue = queues.queue(LANE);
    const item = (call: number) => ({ jobId: 'job_x', call, run: 1 });
    await queue.add('call', item(0), { priority: 3 });
    await queue.add('call', item(1), { priority: 4 });
    await queue.add('call', item(2), { priority: 5, delay: 600_000 });
    const connection = redis.redis.duplicate({ maxRetriesPerRequest: null });
    const worker = new Worker(laneQueueName(LANE), null, { connection, prefix: keys.queuePrefix });
    const taken = await worker.getNextJob('token');
    expect(taken?.data).toEqual(item(0));
    const counts = await queue.getJobCounts('waiting', 'prioritized', 'delayed', 'active');
    const state = await read();
    expect([state.waiting, state.delayed, state.active]).toEqual([1, 1, 1]);
    expect(state.waiting).toBe((counts['waiting'] ?? 0) + (counts['prioritized'] ?? 0));
    await worker.close();
    connection.disconnect();
  });

  it('rests when its workers were told so, not when BullMQ merely counts its starts', async () => {
    const limiter = `${keys.queuePrefix}:${laneQueueName(LANE)}:limiter`;
    await redis.redis.set(limiter, 17, 'PX', 60_000);
    expect((await read()).restingUntil).toBeNull();
    await queues.queue(LANE).rateLimit(30_000);
    expect(await redis.redis.exists(limiter)).toBe(1);
    const [seconds] = await redis.redis.time();
    expect(((await read()).restingUntil ?? 0) / 1_000 - Number(seconds)).toBeCloseTo(30, -1);
    await queues.queue(LANE).removeRateLimitKey();
    expect((await read()).restingUntil).toBeNull();
  });

  it('shows open calls by account, most first, and what it starts a minute', async () => {
    const [seconds] = await redis.redis.time();
    const books = { open: 12, 'open:shop': 4, 'open:studio': 8, 'open:gone': 0, 'last:shop:i:normal': 40, v: 7 };
    await redis.redis.hset(keys.lane(LANE), { ...books, calls: '30.5', images: '61', at: Number(seconds) * 1_000 });
    const state = await read();
    expect(state.openCalls).toBe(12);
    expect(state.openByAccount).toEqual([
      ['studio', 8],
      ['shop', 4],
    ]);
    expect(state.startedPerMinute.calls).toBeGreaterThan(25);
    expect(state.startedPerMinute.images).toBeLessThanOrEqual(61.0001);
  });
});

describe('upstream keys', () => {
  it('are those workers had a moment ago, with their limits, pauses and permits in use', async () => {
    const [seconds] = await redis.redis.time();
    const now = Number(seconds) * 1_000;
    const error = {
      status: 401,
      type: 'invalid_request_error',
      code: 'invalid_api_key',
      message: 'Incorrect API key.',
    };
    await redis.redis
      .pipeline()
      .zadd(keys.upstreamKeys, now, 'main', now - 5_000, 'spare', now - 120_000, 'former')
      .hset(keys.upstreamKey('main'), {
        host: 'api.example.com',
        told: JSON.stringify({ [LANE]: { images_per_minute: 60, concurrency: 4, burst_seconds: 5 } }),
      })
      .hset(keys.upstreamKey('spare'), {
        paused: JSON.stringify(error),
        pausedAt: now - 9_000,
        probeAt: now + 21_000,
        probingUntil: now + 5_000,
        backoff: 30_000,
      })
      .hset(keys.limitNames('spare'), { [LANE]: 'shared-pool' })
      .hset(keys.bucket('spare', 'shared-pool'), { notBefore: now + 60_000, 'learned.images': 30 })
      .zadd(keys.leases('main', LANE), now + 40_000, 'a', now + 40_000, 'b', now - 1_000, 'over')
      .exec();
    const { keys: states } = await read();
    expect(states.map(({ name }) => name)).toEqual(['main', 'spare']);
    const [main, spare] = states;
    expect(main).toMatchObject({ host: 'api.example.com', paused: null });
    expect(main?.limits[0]).toMatchObject({
      name: LANE,
      rates: { images: { limit: 60, source: 'told' } },
      concurrency: { limit: 4, inUse: 2, loweredTo: null },
    });
    expect(spare?.paused).toEqual({ since: now - 9_000, nextProbeAt: now + 21_000, isProbing: true, error });
    expect(spare?.limits.at(-1)).toMatchObject({ name: 'shared-pool', stoppedUntil: now + 60_000 });
    const other = await read('other');
    expect(other.keys.at(-1)?.limits.map(({ name }) => name)).toEqual(['other']);
  });

  it('are all that are known when no worker has been heard of lately', async () => {
    await redis.redis.zadd(keys.upstreamKeys, 1, 'main', 1, 'spare', 1, 'former');
    expect((await read()).keys.map(({ name }) => name)).toEqual(['former', 'main', 'spare']);
  });
});
