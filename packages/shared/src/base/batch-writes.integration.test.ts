import { once } from 'node:events';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRedis } from './redis.ts';

let testRedis: TestRedis;
let redis: Redis;
beforeAll(async () => {
  testRedis = await openTestRedis();
  redis = await openRedis(testRedis.url, 'patient', () => undefined);
});
afterAll(async () => {
  redis.disconnect();
  await testRedis.close();
});

async function expectOnePacket(): Promise<void> {
  const key = `${testRedis.prefix}:list`;
  await redis.del(key);
  const lengths = Array.from({ length: 100 }, (_, index) => redis.rpush(key, index));
  // None has left yet: they go out together when the turn is over.
  expect(redis.stream.writableLength).toBeGreaterThan(100 * 'rpush'.length);
  expect(await Promise.all(lengths)).toEqual(lengths.map((_, index) => index + 1));
  expect(redis.stream.writableLength).toBe(0);
  expect(await redis.lrange(key, 0, -1)).toEqual(lengths.map((_, index) => String(index)));
}

test('commands of one turn go out together, in their order, each with its own answer', async () => {
  await expectOnePacket();
  const [good, bad] = await Promise.allSettled([redis.ping(), redis.call('NONSENSE')]);
  expect([good, bad.status]).toEqual([{ status: 'fulfilled', value: 'PONG' }, 'rejected']);
});

test('they do so on a new connection as well', async () => {
  const isReady = once(redis, 'ready');
  redis.disconnect(true);
  await isReady;
  await expectOnePacket();
});
