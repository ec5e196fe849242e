// On real BullMQ queues: what the upkeep does to its sets must be what BullMQ itself would have done.
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { type Job, Worker } from 'bullmq';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Keys, keysOf } from '../base/keys.ts';
import { type CallItem, type CallQueues, laneQueueName, openCallQueues, priorityOf } from '../queues/call-queue.ts';
import { readPositions } from './lane-outlook.ts';
import { recountOpenCalls, reorderItems, tidyLane } from './lane-upkeep.ts';

const LANE = 'gpt-image-2';
let server: TestRedis;
let keys: Keys;
let queues: CallQueues;
let worker: Worker<CallItem>;

beforeAll(async () => {
  server = await openTestRedis();
  keys = keysOf(server.prefix);
  queues = openCallQueues(server.redis, keys);
  const connection = server.redis.duplicate({ maxRetriesPerRequest: null });
  worker = new Worker<CallItem>(laneQueueName(LANE), null, { connection, prefix: keys.queuePrefix });
});
afterAll(async () => {
  await worker.close();
  await queues.close();
  await server.close();
});
beforeEach(async () => {
  await queues.queue(LANE).obliterate({ force: true });
  await server.redis.del(keys.lane(LANE));
});

const books = () => server.redis.hgetall(keys.lane(LANE));
const item = (name: string, tag: number): CallItem & { tag: number } => ({
  jobId: `job_${name}`,
  call: 0,
  run: 1,
  tag,
});

/** Queues items by name and tag, under the lane's present base. */
async function add(...named: [name: string, tag: number][]): Promise<void> {
  const base = Number((await books())['base'] ?? 0);
  await queues.add(
    LANE,
    named.map(([name, tag]) => ({ ...item(name, tag), priority: priorityOf(tag, base) })),
  );
}

async function take(): Promise<Job<CallItem>> {
  const job = await worker.getNextJob('token');
  if (job === undefined) throw new Error('nothing waits');
  return job;
}

const nameOf = (job: Job<CallItem>) => job.data.jobId.replace('job_', '');

async function takeAll(count: number): Promise<string[]> {
  const names: string[] = [];
  for (let i = 0; i < count; i += 1) names.push(nameOf(await take()));
  return names;
}

describe('a base that moves on', () => {
  it('keeps the order of what waits, also of what lay beyond the last priority and of what comes meanwhile', async () => {
    await server.redis.hset(keys.lane(LANE), { v: 2_000_000, open: 9 });
    await add(['c', 2_000_400], ['a', 2_000_008], ['z', 9_000_000], ['y', 8_000_000], ['d', 2_000_400]);
    await add(['b', 2_000_016]);
    expect(await tidyLane(server.redis, keys, LANE, 1_000_000)).toMatchObject({ isCleared: false, rebasedAgoMs: 0 });
    expect(await books()).toMatchObject({ v: '2000000', base: '1999999' });
    await add(['new', 2_000_012], ['last', 9_500_000]);
    expect(await reorderItems(server.redis, keys, LANE)).toBe(4);
    expect(await reorderItems(server.redis, keys, LANE)).toBe(0);
    const [first] = await readPositions(server.redis, keys, [{ lane: LANE, items: [item('new', 0)] }]);
    expect(first).toBe(1);
    expect(await takeAll(5)).toEqual(['a', 'new', 'b', 'c', 'd']);
    await server.redis.hset(keys.lane(LANE), { v: 7_500_000 });
    await tidyLane(server.redis, keys, LANE, 1_000_000);
    await reorderItems(server.redis, keys, LANE);
    expect(await takeAll(3)).toEqual(['y', 'z', 'last']);
  });

  it('is kept by items that are taken up or delayed at that time', async () => {
    await server.redis.hset(keys.lane(LANE), { v: 1_500_000, open: 9 });
    await add(['active', 1_500_004], ['delayed', 1_500_008], ['waiting', 1_500_012], ['behind', 1_500_016]);
    const active = await take();
    const delayed = await take();
    await delayed.moveToDelayed(Date.now() + 600_000, 'token');
    await tidyLane(server.redis, keys, LANE, 1_000_000);
    await reorderItems(server.redis, keys, LANE);
    await active.moveToWait('token');
    await (await queues.queue(LANE).getJob(delayed.id ?? ''))?.promote();
    expect(await takeAll(4)).toEqual(['active', 'delayed', 'waiting', 'behind']);
  });

  it('moves thousands of items', async () => {
    await server.redis.hset(keys.lane(LANE), { v: 1_200_000, open: 9 });
    await add(...Array.from({ length: 2_500 }, (_, n): [string, number] => [`n${n}`, 1_200_001 + ((n * 7) % 2_500)]));
    const order = async () => server.redis.zrange(`${keys.queuePrefix}:${laneQueueName(LANE)}:prioritized`, '0', '-1');
    const before = await order();
    await tidyLane(server.redis, keys, LANE, 1_000_000);
    expect(await reorderItems(server.redis, keys, LANE)).toBe(2_500);
    expect(await order()).toEqual(before);
    expect((await take()).priority).toBe(2);
  });

  it('stays where it is while the last priority is far', async () => {
    await server.redis.hset(keys.lane(LANE), { v: 999_999, open: 1 });
    expect(await tidyLane(server.redis, keys, LANE)).toMatchObject({ rebasedAgoMs: null });
    expect(await books()).not.toHaveProperty('base');
  });
});

describe('books', () => {
  it('forget flows that are not ahead of the lane, and everything once the lane is empty', async () => {
    const flows = { 'last:shop:i:normal': 40, 'last:studio:b:low': 41 };
    await server.redis.hset(keys.lane(LANE), { v: 40, open: 1, 'open:shop': 1, calls: '3.0000', ...flows });
    expect(await tidyLane(server.redis, keys, LANE)).toEqual({ isCleared: false, flowsPruned: 1, rebasedAgoMs: null });
    expect(await books()).toEqual({ v: '40', open: '1', 'open:shop': '1', calls: '3.0000', 'last:studio:b:low': '41' });
    await server.redis.hdel(keys.lane(LANE), 'open', 'open:shop');
    await add(['left', 44]);
    expect(await tidyLane(server.redis, keys, LANE)).toMatchObject({ isCleared: false });
    await take();
    expect(await tidyLane(server.redis, keys, LANE)).toEqual({ isCleared: true, flowsPruned: 1, rebasedAgoMs: null });
    expect(await books()).toEqual({ calls: '3.0000' });
    expect(await tidyLane(server.redis, keys, LANE)).toEqual({ isCleared: false, flowsPruned: 0, rebasedAgoMs: null });
  });

  it('get their counters right when those have drifted, from the jobs that are open', async () => {
    const state = (account: string, left: number, batch?: string) =>
      JSON.stringify({ lane: LANE, account, left, batch });
    await server.redis.hset(keys.job('job_a'), 'state', state('shop', 2));
    await server.redis.hset(keys.job('job_b'), 'state', state('studio', 3, 'batch_1'));
    await server.redis.zadd(keys.openJobs, 1, 'job_a', 2, 'job_b', 3, 'job_gone');
    await server.redis.hset(keys.lane(LANE), { open: 9, batched: 1, 'open:shop': 2, 'open:gone': 7, v: 3 });
    expect(await recountOpenCalls(server.redis, keys)).toBe(4);
    expect(await books()).toEqual({ open: '5', batched: '3', 'open:shop': '2', 'open:studio': '3', v: '3' });
    expect(await recountOpenCalls(server.redis, keys)).toBe(0);
    await server.redis.zadd(keys.openJobs, ...Array.from({ length: 1_001 }, (_, n) => [4, `job_${n}`]).flat());
    expect(await recountOpenCalls(server.redis, keys)).toBeNull();
  });
});
