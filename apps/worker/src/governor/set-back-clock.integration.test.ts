// Redis' clock is set back by an hour: what buckets and keys have noted lies an hour ahead, and stops nothing for an hour.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { resumeLane } from '@darkroom/shared/lanes/resume-lane.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  ask,
  type GovernorKit,
  MODEL,
  openGovernorKit,
  permitOf,
  refuse,
  said,
  told,
} from '../testing/governor-kit.ts';

const HOUR_MS = 3_600_000;
let kit: GovernorKit;
let prefix: string;
beforeAll(async () => {
  kit = await openGovernorKit();
});
beforeEach(() => {
  prefix = kit.newPrefix();
});
afterEach(() => kit.closeAll());
afterAll(() => kit.close());

const perMinute = (images: number, burst = 5) => ({
  [MODEL]: told({ images_per_minute: images, burst_seconds: burst }),
});

/** All that a bucket or a key has noted of times lies so much later. */
async function setBack(hash: string, ms = HOUR_MS): Promise<void> {
  for (const [field, value] of Object.entries(await kit.redis.hgetall(hash))) {
    if (Number(value) > 1e12) await kit.redis.hset(hash, field, Number(value) + ms);
  }
}
const bucket = () => kit.keys(prefix).bucket('default', MODEL);

test.each([60, 1])('a bucket of %d a minute is empty and goes on at its rate', async (images) => {
  const governor = await kit.open(perMinute(images), prefix);
  await permitOf(governor);
  await setBack(bucket());
  const first = await governor.acquire(ask(1));
  const waitMs = first.kind === 'permit' ? first.permit.waitMs : 'waitMs' in first ? first.waitMs : 0;
  expect(waitMs).toBeGreaterThan(0);
  expect(waitMs).toBeLessThanOrEqual(60_000 / images);
  // Whoever asks next comes after that, and no later.
  expect(Number((await kit.bucket(prefix, MODEL))['tat.images'])).toBeLessThan(Date.now() + 70_000);
});

test('a stop is over', async () => {
  const governor = await kit.open(perMinute(60), prefix);
  await refuse(governor, await permitOf(governor), said({ 'retry-after': '20' }));
  expect(await governor.acquire(ask(1))).toMatchObject({ kind: 'rate' });
  await setBack(bucket());
  expect((await permitOf(governor)).waitMs).toBeLessThanOrEqual(1_000);
});

test('the longest stop there is is none of a clock set back', async () => {
  const governor = await kit.open(perMinute(60), prefix);
  await refuse(governor, await permitOf(governor), said({ 'retry-after': '100000' }));
  const refused = await governor.acquire(ask(1));
  expect('waitMs' in refused && refused.waitMs).toBeGreaterThan(598_000);
});

test('a lowered concurrency is neither lowered further nor kept for an hour', async () => {
  const governor = await kit.open({}, prefix);
  const sent = await Promise.all(Array.from({ length: 8 }, () => permitOf(governor)));
  for (const permit of sent.slice(1)) await permit.giveBack('used');
  await kit.redis.hset(bucket(), { slowCap: 4, slowAt: Date.now() + HOUR_MS });
  await permitOf(governor);
  expect(Math.floor(Number((await kit.bucket(prefix, MODEL))['slowAt']))).toBeLessThanOrEqual(Date.now());
  for (let index = 0; index < 2; index += 1) await permitOf(governor);
  expect(await governor.acquire(ask(1))).toMatchObject({ kind: 'busy' });
});

test('what was counted of late is not multiplied', async () => {
  const governor = await kit.open({}, prefix);
  await permitOf(governor, 10);
  await setBack(bucket());
  await permitOf(governor, 10);
  expect(Number((await kit.bucket(prefix, MODEL))['recent.images'])).toBeCloseTo(20, 0);
});

test('a paused key is probed', async () => {
  const governor = await kit.open({}, prefix);
  const facts = { status: 401, type: 'x', code: null, message: 'no', verdict: 'pause' } as const;
  await governor.pauseKey('default', ServiceError.upstream(facts), { isProbe: false, start: Date.now() });
  expect(await governor.acquire(ask(1))).toMatchObject({ kind: 'paused' });
  await setBack(kit.keys(prefix).upstreamKey('default'));
  expect((await permitOf(governor)).isProbe).toBe(true);
});

test('by less than can be told apart it still lasts as long, unless the lane is resumed by hand', async () => {
  const governor = await kit.open(perMinute(60), prefix);
  for (let index = 0; index < 4; index += 1) await permitOf(governor);
  await setBack(bucket(), 100_000);
  expect(await governor.acquire(ask(1))).toMatchObject({ kind: 'rate' });
  expect(await resumeLane(kit.redis, kit.keys(prefix), MODEL)).toBe(1);
  expect((await permitOf(governor)).waitMs).toBeLessThanOrEqual(1_000);
  expect(await resumeLane(kit.redis, kit.keys(prefix), MODEL)).toBe(0);
});

test('resumed by hand, a bucket that is only at its rate stays as it is', async () => {
  const governor = await kit.open(perMinute(60), prefix);
  while ((await governor.acquire(ask(1))).kind === 'permit');
  const before = await kit.bucket(prefix, MODEL);
  expect(await resumeLane(kit.redis, kit.keys(prefix), MODEL)).toBe(0);
  expect(await kit.bucket(prefix, MODEL)).toEqual(before);
});
