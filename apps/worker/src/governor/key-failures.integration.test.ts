// Upstream keys whose host is away or broken, beside others that work.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ask, type GovernorKit, MODEL, openGovernorKit, permitOf, told } from '../testing/governor-kit.ts';
import type { Governor, Permit } from './governor.ts';

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

/** A call under the key, which no other takes meanwhile. */
const under = (governor: Governor, onlyKey: string): Promise<Permit> => permitOf(governor, 1, { onlyKey });

/** Ends a call whose key was not to be reached, or answered with a 5xx. */
async function fail(governor: Governor, permit: Permit, hasReplied = false): Promise<number> {
  await permit.giveBack('used');
  return governor.noteFailure(permit, hasReplied);
}

async function keysOf(governor: Governor, count: number): Promise<string[]> {
  const permits: Permit[] = [];
  for (let index = 0; index < count; index += 1) permits.push(await permitOf(governor));
  return permits.map(({ upstreamKey }) => upstreamKey);
}

async function endAside(key: string): Promise<void> {
  await kit.redis.hset(kit.keys(prefix).upstreamKey(key), 'asideUntil', Date.now() - 1);
}

const perMinute = (images: number) => ({ [MODEL]: told({ images_per_minute: images, burst_seconds: 0 }) });

describe('a key that can’t be reached', () => {
  test('is not asked while another can take the call, though it is always the freest', async () => {
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    expect(await fail(governor, await under(governor, 'a'))).toBe(1_000);
    expect(await keysOf(governor, 5)).toEqual(['b', 'b', 'b', 'b', 'b']);
  });

  test('nor while another can take it after a rest longer than a sleep', async () => {
    const governor = await kit.openWith({ a: {}, b: perMinute(6) }, prefix);
    await fail(governor, await under(governor, 'a'));
    expect(await keysOf(governor, 1)).toEqual(['b']);
    const refused = await governor.acquire(ask(1));
    expect(refused).toMatchObject({ kind: 'busy', isBound: false });
    expect('waitMs' in refused && refused.waitMs).toBeLessThanOrEqual(1_000);
    expect(await governor.look(ask(1))).toMatchObject({ kind: 'busy' });
  });

  test('is asked by one call when its time is over, and set aside for twice as long when that fails too', async () => {
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      expect(await fail(governor, await under(governor, 'a'))).toBe(ms);
    }
    await endAside('a');
    const permits = [await permitOf(governor), await permitOf(governor), await permitOf(governor)];
    expect(permits.map(({ upstreamKey }) => upstreamKey)).toEqual(['a', 'b', 'b']);
  });

  test('counts once for calls that fail together', async () => {
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    const together = await Promise.all(Array.from({ length: 6 }, () => under(governor, 'a')));
    const noted: number[] = [];
    for (const permit of together) noted.push(await fail(governor, permit));
    expect(noted).toEqual([1_000, 0, 0, 0, 0, 0]);
  });

  test('and also when they take their permits and fail within a millisecond', async () => {
    for (let round = 0; round < 50; round += 1) {
      const governor = await kit.openWith({ a: {}, b: {} }, `${prefix}${round}`);
      const together = await Promise.all([under(governor, 'a'), under(governor, 'a')]);
      expect(await Promise.all(together.map((permit) => governor.noteFailure(permit, false)))).toEqual([1_000, 0]);
    }
  });

  test('goes on with its first reply', async () => {
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    for (let times = 0; times < 5; times += 1) await fail(governor, await under(governor, 'a'));
    const answered = await under(governor, 'a');
    await answered.giveBack('used');
    await governor.forgetFailures(answered);
    expect(await keysOf(governor, 4)).toEqual(['a', 'b', 'a', 'b']);
    expect(await fail(governor, await under(governor, 'a'))).toBe(1_000);
  });

  test('takes calls as ever when there is no other, or all others are away or paused', async () => {
    const alone = await kit.openWith({ a: {} });
    expect(await fail(alone, await permitOf(alone))).toBe(0);
    expect(await keysOf(alone, 2)).toEqual(['a', 'a']);

    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    for (const key of ['a', 'b']) await fail(governor, await under(governor, key));
    expect(await keysOf(governor, 2)).toEqual(['a', 'b']);
    await kit.redis.hset(kit.keys(prefix).upstreamKey('b'), { paused: '{}', probeAt: Date.now() + 9_000 });
    expect(await keysOf(governor, 1)).toEqual(['a']);
  });

  test('takes the calls that are bound to it', async () => {
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    await fail(governor, await under(governor, 'a'));
    expect((await under(governor, 'a')).waitMs).toBe(0);
  });

  test('is not left aside by a clock that is set back', async () => {
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    await fail(governor, await under(governor, 'a'));
    await kit.redis.hset(kit.keys(prefix).upstreamKey('a'), 'asideUntil', Date.now() + 3_600_000);
    expect(await keysOf(governor, 2)).toEqual(['a', 'b']);
  });
});

describe('a key that answers with 5xx', () => {
  test('is set aside with the third in a row', async () => {
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    expect(await fail(governor, await under(governor, 'a'), true)).toBe(0);
    expect(await fail(governor, await under(governor, 'a'), true)).toBe(0);
    expect(await keysOf(governor, 2)).toEqual(['a', 'b']);
    expect(await fail(governor, await under(governor, 'a'), true)).toBe(1_000);
    expect(await keysOf(governor, 3)).toEqual(['b', 'b', 'b']);
  });

  test('is not when a call from before the failures was answered', async () => {
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    const before = await under(governor, 'a');
    for (let times = 0; times < 4; times += 1) {
      await fail(governor, await under(governor, 'a'), true);
      await governor.forgetFailures(before);
    }
    await before.giveBack('used');
    expect(await keysOf(governor, 2)).toEqual(['a', 'b']);
  });

  test('is not when another reply came between', async () => {
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    for (let times = 0; times < 4; times += 1) {
      await fail(governor, await under(governor, 'a'), true);
      const answered = await under(governor, 'a');
      await answered.giveBack('used');
      await governor.forgetFailures(answered);
    }
    expect(await keysOf(governor, 2)).toEqual(['a', 'b']);
  });
});
