// Permits whose calls come late to the paying gate: however many are overdue, no more is sent at once than the limit allows,
// and being late keeps nobody from being sent.
import { setTimeout as rest } from 'node:timers/promises';
import { newJobId } from '@darkroom/shared/base/ids.ts';
import { keysOf } from '@darkroom/shared/base/keys.ts';
import { beginAttempt, type GateAnswer } from '@darkroom/shared/jobs/paying-gate.ts';
import { createJob } from '@darkroom/shared/jobs/steps.ts';
import { TEST_SPEC } from '@darkroom/shared/jobs/test-spec.ts';
import { startRedisServer, type TestRedisServer } from '@darkroom/testing/redis-server.ts';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ask, MODEL, permitOf, told } from '../testing/governor-kit.ts';
import { type Governor, openGovernor, type Permit } from './governor.ts';

/** Five images a second. */
const PER_MINUTE = 300;
const SHARE_MS = 60_000 / PER_MINUTE;
const keys = keysOf('overdue');
const bucket = keys.bucket('default', MODEL);
/** Of bursts nothing is kept back when none is told. */
const UNEVEN_MS = 250;

let server: TestRedisServer;
let redis: Redis;
let governor: Governor | undefined;
beforeAll(async () => {
  server = await startRedisServer();
  redis = new Redis(server.url);
});
beforeEach(() => redis.flushall());
afterAll(async () => {
  governor?.close();
  redis.disconnect();
  await server.stop();
});

async function open(burstSeconds: number, perMinute = PER_MINUTE): Promise<Governor> {
  governor?.close();
  const limits = { [MODEL]: told({ images_per_minute: perMinute, burst_seconds: burstSeconds }) };
  const upstreamKeys = [{ name: 'default', host: 'one.test', limits }];
  governor = await openGovernor({
    redis,
    keys,
    upstreamKeys,
    onError: (error) => {
      throw error;
    },
  });
  return governor;
}

const steps = () => ({ redis, keys, retentionMs: 3_600_000 });

/** A call of one image that waits for a permit. */
async function newCall(): Promise<string> {
  const id = newJobId();
  await createJob(steps(), id, { ...TEST_SPEC, calls: [[0]] }, null);
  await redis.set(`{overdue}:lock:${id}`, 'token');
  await redis.hset(keys.spoolRoom('host'), 'process', `1 ${Date.now() + 600_000}`);
  return id;
}

async function passGate(permit: Permit, jobId: string): Promise<GateAnswer['kind']> {
  const answer = await beginAttempt(steps(), {
    jobId,
    call: 0,
    lockKey: `{overdue}:lock:${jobId}`,
    lockToken: 'token',
    onUnknown: 'retry',
    upstreamKeyHash: permit.upstreamKeyHash,
    spoolRoomHash: keys.spoolRoom('host'),
    processId: 'process',
    tag: 1,
    buckets: permit.buckets,
    epoch: permit.epoch,
    isProbe: permit.isProbe,
    row: { permit: permit.id, run: 1, upstreamKey: 'default', images: [0], upperBoundMicroUsd: 1 },
    callImages: [0],
  });
  return answer.kind;
}

/** As a worker does it, from a permit to the gate until it is passed. Returns when, ms of Redis' clock, and how often it was shut. */
async function sendAsWorker(permits: Governor, first: Permit, jobId: string): Promise<{ at: number; stale: number }> {
  for (let stale = 0, permit = first; ; stale += 1) {
    await permit.sleep(new AbortController().signal);
    if ((await passGate(permit, jobId)) === 'go') {
      const row = JSON.parse((await redis.hget(keys.job(jobId), 'attempt:0.1')) ?? '{}') as { at: number };
      return { at: row.at, stale };
    }
    await permit.giveBack('unused');
    for (;;) {
      const next = await permits.acquire(ask(1));
      if (next.kind === 'permit') {
        ({ permit } = next);
        break;
      }
      await rest('waitMs' in next ? next.waitMs : 0);
    }
  }
}

/** Permits until one would have to wait too long, each for a call of its own. */
async function takeAll(from: Governor): Promise<{ permit: Permit; jobId: string }[]> {
  const taken: { permit: Permit; jobId: string }[] = [];
  for (;;) {
    const acquired = await from.acquire(ask(1));
    if (acquired.kind !== 'permit') return taken;
    taken.push({ permit: acquired.permit, jobId: await newCall() });
  }
}

/** So much time goes by for the bucket. */
async function pass(ms: number): Promise<void> {
  for (const field of ['tat.images', 'sent.images']) await redis.hincrbyfloat(bucket, field, -ms);
}

test('when Redis stood still no more goes out at once than the limit allows, and everything goes out', async () => {
  const permits = await open(1);
  const taken = await takeAll(permits);
  const sleepers = taken.filter(({ permit }) => permit.waitMs > 0);
  expect(sleepers.length).toBeGreaterThan(20);
  for (const { permit, jobId } of taken.slice(0, -sleepers.length)) expect(await passGate(permit, jobId)).toBe('go');

  const sending = sleepers.map(({ permit, jobId }) => sendAsWorker(permits, permit, jobId));
  server.signal('SIGSTOP');
  await Promise.all(sleepers.map(({ permit }) => permit.sleep(new AbortController().signal)));
  server.signal('SIGCONT');
  const sent = (await Promise.all(sending)).toSorted((a, b) => a.at - b.at);

  for (const [index, { at }] of sent.entries()) {
    for (const [more, last] of sent.slice(index).entries()) {
      const size = Math.max(1_000 + UNEVEN_MS, SHARE_MS);
      expect((more + 1) * SHARE_MS - (last.at - at)).toBeLessThanOrEqual(size);
    }
  }
  const [first, last] = [sent[0]?.at ?? 0, sent.at(-1)?.at ?? 0];
  expect(last - first, 'no quota is wasted').toBeLessThan(sent.length * SHARE_MS + 1_000);
  const shut = sent.map(({ stale }) => stale);
  expect(Math.max(...shut), 'nobody goes round in circles').toBeLessThanOrEqual(3);
}, 30_000);

test('when a full bucket waits beside what is overdue, both together are held to the limit', async () => {
  const permits = await open(5);
  const overdue = (await takeAll(permits)).filter(({ permit }) => permit.waitMs > 0);
  await pass(12_000);
  let sent = 0;
  for (const { permit, jobId } of overdue) if ((await passGate(permit, jobId)) === 'go') sent += 1;
  const next = await permits.acquire(ask(1));
  expect(
    next.kind === 'permit' && next.permit.waitMs,
    'what was sent is known where permits are taken',
  ).toBeGreaterThan(0);
  expect(sent).toBeLessThanOrEqual((5_000 * PER_MINUTE) / 60_000);
  expect(sent).toBeGreaterThanOrEqual(overdue.length - 1);
});

test('calls that take much of the limit sleep until there is room for them, and do not ask again and again', async () => {
  const permits = await open(5, 20);
  const overdue = (await takeAll(permits)).filter(({ permit }) => permit.waitMs > 0);
  expect(overdue.length).toBe(2);
  await pass(20_000);
  const sent = await Promise.all(overdue.map(({ permit, jobId }) => sendAsWorker(permits, permit, jobId)));
  expect(Math.max(...sent.map(({ stale }) => stale))).toBeLessThanOrEqual(1);
}, 30_000);

test('a permit that comes too late is taken anew for when there is room, and its share is not lost', async () => {
  const permits = await open(0);
  const [late, later] = [await permitOf(permits), await permitOf(permits)];
  await pass(5_000);
  expect(await passGate(late, await newCall())).toBe('go');
  expect(await passGate(await permitOf(permits), await newCall())).toBe('go'); // so close come requests anyway
  expect(await passGate(later, await newCall())).toBe('stale');
  await later.giveBack('unused');
  const again = await permitOf(permits);
  expect(again.waitMs).toBeGreaterThan(SHARE_MS);
  expect(again.waitMs).toBeLessThanOrEqual(2 * SHARE_MS);
  await pass(again.waitMs);
  expect(await passGate(again, await newCall())).toBe('go');
});

test.each([0, 1])('calls that all come two seconds late all pass, with a burst of %d s', async (burstSeconds) => {
  const permits = await open(burstSeconds);
  const taken = await takeAll(permits);
  await pass(2_000);
  let at = 0;
  for (const { permit, jobId } of taken) {
    await pass(Math.max(0, permit.waitMs - at));
    at = Math.max(at, permit.waitMs);
    expect(await passGate(permit, jobId)).toBe('go');
  }
  expect(taken.length).toBeGreaterThan(20);
});

test('a clock that is set back by an hour does not hold what is sent for an hour', async () => {
  const permits = await open(1);
  expect(await passGate(await permitOf(permits), await newCall())).toBe('go');
  await redis.hset(bucket, { 'sent.images': Date.now() + 3_600_000, 'tat.images': 0 });
  expect(await passGate(await permitOf(permits), await newCall())).toBe('go');
});
