// Leases whose worker has another clock than Redis, or was cut off from it for longer than they last.
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { MODEL, openGovernorKit, permitOf, told } from '../testing/governor-kit.ts';
import type { Permit } from './governor.ts';
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
  leases.hold('permit', { sets: [set], probed, start: 0 });
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
  leases.hold('given back', { sets: [set], probed: null, start: 0 });
  const renewed = leases.renew();
  leases.drop('given back');
  await renewed;
  expect(await server.redis.zrange(set, '0', '-1')).toEqual(['permit']);
});

test('a renewal that Redis refuses is an error', async () => {
  await server.redis.set(set, 'no ZSET');
  await expect(leases.renew()).rejects.toThrow('WRONGTYPE');
});

test('a permit that sleeps is renewed from its start on, so that it counts as no call under way', async () => {
  const [now] = await server.redis.time();
  leases.hold('permit', { sets: [set], probed, start: Number(now) * 1_000 + 8_000 });
  await leases.renew();
  for (const left of await leftMs()) {
    expect(left).toBeGreaterThan(LEASE_MS + 6_000);
    expect(left).toBeLessThanOrEqual(LEASE_MS + 8_000);
  }
});

test('a renewal hides no call that is under way from `slow_down`, and shows none that sleeps', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  const kit = await openGovernorKit();
  try {
    const prefix = kit.newPrefix();
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 60, burst_seconds: 5 }) }, prefix);
    const permits = await Promise.all(Array.from({ length: 9 }, () => permitOf(governor)));
    const [sent] = permits.filter(({ waitMs }) => waitMs === 0);
    await sent?.giveBack('refused');
    const held = kit.keys(prefix).leases('default', MODEL);
    const before = await kit.redis.zrange(held, '0', '-1', 'WITHSCORES');
    vi.advanceTimersByTime(15_000);
    await expect.poll(() => kit.redis.zrange(held, '0', '-1', 'WITHSCORES')).not.toEqual(before);
    expect(permits.filter(({ receipt }) => receipt.start > Date.now()).length).toBeGreaterThanOrEqual(4);
    expect(await governor.slowDown(sent as Permit)).toBe(2); // four or five were sent
  } finally {
    await kit.close();
  }
});
