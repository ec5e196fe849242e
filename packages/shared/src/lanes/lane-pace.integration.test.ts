// What counts as a lane's pace: calls that were sent and not refused, while others waited.
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newJobId } from '../base/ids.ts';
import { type Keys, keysOf } from '../base/keys.ts';
import { finishAttempt } from '../jobs/attempt-steps.ts';
import { beginAttempt } from '../jobs/paying-gate.ts';
import { createJob, type JobSteps } from '../jobs/steps.ts';
import { TEST_SPEC } from '../jobs/test-spec.ts';
import { type CallQueues, openCallQueues } from '../queues/call-queue.ts';
import { readLanes } from './read-lanes.ts';

const LANE = 'gpt-image-2';
/** Two images a call. */
const SPEC = { ...TEST_SPEC, model: LANE, lane: LANE, calls: [[0, 1]] };

let server: TestRedis;
let keys: Keys;
let steps: JobSteps;
let queues: CallQueues;

beforeAll(async () => {
  server = await openTestRedis();
  keys = keysOf(server.prefix);
  steps = { redis: server.redis, keys, retentionMs: 3_600_000 };
  queues = openCallQueues(server.redis, keys);
  await server.redis.hset(keys.spoolRoom('host'), 'process', `1 ${Date.now() + 600_000}`);
});
afterAll(async () => {
  await queues.close();
  await server.close();
});
beforeEach(async () => {
  await queues.queue(LANE).obliterate({ force: true });
  await server.redis.del(keys.lane(LANE), keys.bucket('default', LANE));
});

/** A job; its item waits when told so. */
async function create(isQueued = false): Promise<string> {
  const created = await createJob(steps, newJobId(), SPEC, null);
  if (created.kind !== 'created') throw new Error(created.kind);
  if (isQueued) await queues.add(LANE, created.items);
  return created.id;
}

async function send(jobId: string): Promise<number> {
  const lockKey = `{${server.prefix}}:lock`;
  await server.redis.set(lockKey, 'token');
  const answer = await beginAttempt(steps, {
    jobId,
    call: 0,
    lockKey,
    lockToken: 'token',
    onUnknown: 'retry',
    upstreamKeyHash: keys.upstreamKey('default'),
    spoolRoomHash: keys.spoolRoom('host'),
    processId: 'process',
    tag: 1,
    buckets: [{ hash: keys.bucket('default', LANE), burst: 0, share: {} }],
    epoch: 0,
    isProbe: false,
    row: { permit: newJobId(), run: 1, upstreamKey: 'default', images: [0, 1], upperBoundMicroUsd: 500 },
    callImages: [0, 1],
  });
  if (answer.kind !== 'go') throw new Error(answer.kind);
  return answer.seq;
}

/** `isFinal`: the call ends by it; else it is made again. */
async function refuse(jobId: string, seq: number, isFinal: boolean): Promise<void> {
  const end = {
    outcome: 'rejected',
    facts: { status: 429 },
    count: '',
    error: { code: 'rate_limit_exceeded' },
  } as const;
  await finishAttempt(steps, { jobId, call: 0, seq, ...end, isFinal, images: [], callImages: [0, 1] });
}

async function read() {
  const [state] = await readLanes(server.redis, keys, [LANE]);
  return state ?? expect.fail();
}

/** Moves the lane's books so far into the past. */
async function age(ms: number): Promise<void> {
  for (const field of ['at', 'since']) await server.redis.hincrby(keys.lane(LANE), field, -ms);
}

describe('what a lane has sent', () => {
  it('does not count attempts that were refused, however often', async () => {
    const [kept, refused] = [await create(), await create()];
    await send(kept);
    for (let tries = 0; tries < 5; tries += 1) await refuse(refused, await send(refused), false);
    const { startedPerMinute, imagesWhileBusy } = await read();
    expect(startedPerMinute.calls).toBeCloseTo(1, 0);
    expect(startedPerMinute.images).toBeCloseTo(2, 0);
    expect(imagesWhileBusy).toBeCloseTo(2, 0);
  });

  it('counts a refusal that ends its call: those behind it have moved up', async () => {
    const id = await create();
    await refuse(id, await send(id), true);
    expect((await read()).startedPerMinute.calls).toBeCloseTo(1, 0);
  });

  it('loses of an old attempt what is left of it in the count', async () => {
    const id = await create();
    const seq = await send(id);
    await age(60_000);
    const row = JSON.parse((await server.redis.hget(keys.job(id), `attempt:0.${seq}`)) ?? '{}') as { at: number };
    await server.redis.hset(keys.job(id), `attempt:0.${seq}`, JSON.stringify({ ...row, at: row.at - 60_000 }));
    await send(await create());
    await refuse(id, seq, false);
    expect((await read()).startedPerMinute.calls).toBeCloseTo(1, 0);
  });
});

describe('a lane is busy', () => {
  it('from when a job came that found nobody waiting, and what was sent before does not count', async () => {
    await send(await create());
    await age(30_000);
    await create(true);
    const { busySince, readAt, imagesWhileBusy, startedPerMinute } = await read();
    expect(readAt - (busySince ?? 0)).toBeLessThan(10_000);
    expect(imagesWhileBusy).toBeCloseTo(0, 0);
    expect(startedPerMinute.images).toBeCloseTo(2 * Math.exp(-0.5), 0);
  });

  it('still, when jobs come while others wait', async () => {
    const first = await create(true);
    await send(first);
    await age(30_000);
    await create(true);
    const { busySince, readAt, imagesWhileBusy } = await read();
    expect(readAt - (busySince ?? 0)).toBeGreaterThanOrEqual(30_000);
    expect(imagesWhileBusy).toBeCloseTo(2 * Math.exp(-0.5), 0);
  });

  it.each<[string, number, number | null, boolean]>([
    ['anew, after a stop', 30_000, 1_000, true],
    ['still, after one that was too short to tell', 30_000, 25_000, false],
    ['anew, when nothing was sent for long', 301_000, null, true],
    ['still, when calls just take long', 200_000, null, false],
  ])('%s', async (_when, silentMs, stopEndedAgoMs, isAnew) => {
    const [first, second] = [await create(true), await create(true)];
    await send(first);
    await age(silentMs);
    if (stopEndedAgoMs !== null) {
      const { readAt } = await read();
      await server.redis.hset(keys.bucket('default', LANE), 'notBefore', readAt - stopEndedAgoMs);
    }
    await send(second);
    const { busySince, readAt, imagesWhileBusy } = await read();
    expect(readAt - (busySince ?? 0) < 10_000).toBe(isAnew);
    expect(imagesWhileBusy).toBeCloseTo(isAnew ? 2 : 2 + 2 * Math.exp(-silentMs / 60_000), 0);
  });
});
