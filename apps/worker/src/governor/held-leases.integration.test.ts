// Leases whose worker has another clock than Redis, or was cut off from it for longer than they last.
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { HeldLeases, LEASE_MS } from './held-leases.ts';

let server: TestRedis;
let set: string;
let probed: string;
let leases: HeldLeases;
beforeAll(async () => {
  server = await openTestRedis();
  [set, probed] = [`{${server.prefix}}:leases`, `{${server.prefix}}:key`];
});
beforeEach(async () => {
  await server.redis.del(set, probed);
  leases = new HeldLeases(server.redis);
  leases.hold('permit', { sets: [set], probed });
});
afterEach(() => vi.useRealTimers());
afterAll(() => server.close());

async function leftMs(): Promise<number[]> {
  const [seconds, micros] = await server.redis.time();
  const ends = [await server.redis.zscore(set, 'permit'), await server.redis.hget(probed, 'probingUntil')];
  return ends.map((end) => Number(end) - Number(seconds) * 1_000 - Number(micros) / 1_000);
}

test.each([
  ['behind', -3_600_000],
  ['ahead', 3_600_000],
])('a worker whose clock is an hour %s renews for as long as any other', async (_, offMs) => {
  await server.redis.zadd(set, 1, 'permit');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + offMs });
  await leases.renew();
  for (const left of await leftMs()) {
    expect(left).toBeGreaterThan(LEASE_MS - 10_000);
    expect(left).toBeLessThanOrEqual(LEASE_MS);
  }
});

test('a call that is still under way counts again when its lease was lost meanwhile; one given back does not', async () => {
  leases.hold('given back', { sets: [set], probed: null });
  const renewed = leases.renew();
  leases.drop('given back');
  await renewed;
  expect(await server.redis.zrange(set, '0', '-1')).toEqual(['permit']);
});

test('a renewal that Redis refuses is an error', async () => {
  await server.redis.set(set, 'no ZSET');
  await expect(leases.renew()).rejects.toThrow('WRONGTYPE');
});
