// Several upstream keys: which one a call gets, and what one key's trouble means for the others.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { ToldLimits } from '@darkroom/shared/base/variables.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
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
import type { Governor, Permit } from './governor.ts';

let kit: GovernorKit;
beforeAll(async () => {
  kit = await openGovernorKit();
});
afterEach(() => kit.closeAll());
afterAll(() => kit.close());

const refusal = ServiceError.upstream({
  status: 429,
  type: 'insufficient_quota',
  code: 'insufficient_quota',
  message: 'no',
  verdict: 'pause',
});
const perMinute = (images: number, burst = 1) => ({
  [MODEL]: told({ images_per_minute: images, burst_seconds: burst }),
});

async function keysOfPermits(governor: Governor, count: number): Promise<string[]> {
  const names: string[] = [];
  for (let index = 0; index < count; index += 1) names.push((await permitOf(governor)).upstreamKey);
  return names;
}

async function makeProbeDue(prefix: string, key: string): Promise<void> {
  await kit.redis.hset(kit.keys(prefix).upstreamKey(key), 'probeAt', Date.now() - 1);
}

describe('a call gets the key', () => {
  test('with the fewest calls under way, of those that are free at once; then the first', async () => {
    const governor = await kit.openWith({ b: {}, a: {}, c: {} });
    expect(await keysOfPermits(governor, 6)).toEqual(['b', 'a', 'c', 'b', 'a', 'c']);
  });

  test('that is free soonest', async () => {
    const governor = await kit.openWith({ slow: perMinute(60), fast: perMinute(240) });
    const permits: Permit[] = [];
    for (let index = 0; index < 15; index += 1) permits.push(await permitOf(governor));
    const count = (name: string) => permits.filter(({ upstreamKey }) => upstreamKey === name).length;
    expect(count('slow')).toBe(3); // together they start five a second
    expect(count('fast')).toBe(12);
    const starts = permits.map(({ receipt }) => receipt.start);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
  });

  test('whose limit has room for the whole call, before one under which it would be split', async () => {
    const governor = await kit.openWith({ small: perMinute(4), large: perMinute(600) });
    expect((await permitOf(governor, 10)).upstreamKey).toBe('large');
    expect((await permitOf(governor, 4)).upstreamKey).toBe('small');
  });

  test('that has room, when another is at its told concurrency', async () => {
    const one = { [MODEL]: told({ concurrency: 1 }) };
    const governor = await kit.openWith({ a: one, b: one });
    expect(await keysOfPermits(governor, 2)).toEqual(['a', 'b']);
    expect(await governor.acquire(ask(1))).toMatchObject({ kind: 'busy', isBound: false });
  });

  test('it is bound to, and waits for that one alone', async () => {
    const governor = await kit.openWith({ a: perMinute(6, 0), b: {} });
    expect((await permitOf(governor, 1, { onlyKey: 'a' })).upstreamKey).toBe('a');
    expect(await governor.acquire(ask(1, { onlyKey: 'a' }))).toMatchObject({ kind: 'rate', isBound: true });
    expect(await governor.look(ask(1, { onlyKey: 'a' }))).toMatchObject({ kind: 'rate', isBound: true });
    expect(await governor.look(ask(1))).toBeNull();
    expect((await permitOf(governor)).upstreamKey).toBe('b');
  });
});

describe('a stop', () => {
  test('of one key leaves the others going', async () => {
    const governor = await kit.openWith({ a: {}, b: {} });
    await refuse(governor, await permitOf(governor, 1, { onlyKey: 'a' }), said({ 'retry-after': '3' }));
    expect(await keysOfPermits(governor, 3)).toEqual(['b', 'b', 'b']);
  });

  test('of all is waited out with the one that goes on first', async () => {
    const governor = await kit.openWith({ a: {}, b: {} });
    for (const [onlyKey, seconds] of [
      ['a', '4'],
      ['b', '2'],
    ] as const) {
      await refuse(governor, await permitOf(governor, 1, { onlyKey }), said({ 'retry-after': seconds }));
    }
    const permit = await permitOf(governor);
    expect(permit.upstreamKey).toBe('b');
    expect(permit.waitMs).toBeLessThanOrEqual(2_000);
  });

  test('teaches a shared limit’s name under its own key alone', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    const message =
      'Rate limit reached for m (for limit pool) on input-images per min: Limit 60, Used 60, Requested 1.';
    await refuse(governor, await permitOf(governor, 1, { onlyKey: 'a' }), said({}, message));
    // A worker that has not heard of it learns it when it asks.
    const other = await kit.openWith({ a: {}, b: {} }, prefix);
    expect((await permitOf(other, 1, { onlyKey: 'a' })).limits.names).toContain('pool');
    expect((await permitOf(other, 1, { onlyKey: 'b' })).limits.names).not.toContain('pool');
  });
});

describe('a paused key', () => {
  test('is left out while others are there, and all paused is told with the time of the first probe', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    await governor.pauseKey('a', refusal, { isProbe: false, start: Date.now() });
    expect(await keysOfPermits(governor, 3)).toEqual(['b', 'b', 'b']);
    await governor.pauseKey('b', refusal, { isProbe: false, start: Date.now() });
    await kit.redis.hset(kit.keys(prefix).upstreamKey('b'), 'probeAt', Date.now() + 12_000);
    const refused = await governor.acquire(ask(1));
    expect(refused).toMatchObject({ kind: 'paused' });
    expect(refused.kind === 'paused' && refused.waitMs).toBeLessThanOrEqual(12_000);
    expect([...(await governor.pauses())]).toEqual([
      ['a', true],
      ['b', true],
    ]);
  });

  test('is not probed by a call that can go elsewhere at once', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    await governor.pauseKey('a', refusal, { isProbe: false, start: Date.now() });
    await makeProbeDue(prefix, 'a');
    expect(await keysOfPermits(governor, 3)).toEqual(['b', 'b', 'b']);
  });

  test('is probed by one call that would have to wait elsewhere', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.openWith({ a: {}, b: perMinute(60, 0) }, prefix);
    await governor.pauseKey('a', refusal, { isProbe: false, start: Date.now() });
    await makeProbeDue(prefix, 'a');
    const permits = [await permitOf(governor), await permitOf(governor), await permitOf(governor)];
    expect(permits.map(({ upstreamKey, isProbe }) => [upstreamKey, isProbe])).toEqual([
      ['b', false],
      ['a', true],
      ['b', false],
    ]);
  });

  test('is probed by a call that is bound to it', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.openWith({ a: {}, b: {} }, prefix);
    await governor.pauseKey('a', refusal, { isProbe: false, start: Date.now() });
    expect(await governor.acquire(ask(1, { onlyKey: 'a' }))).toMatchObject({ kind: 'paused', isBound: true });
    await makeProbeDue(prefix, 'a');
    expect((await permitOf(governor, 1, { onlyKey: 'a' })).isProbe).toBe(true);
  });
});

describe('told concurrency', () => {
  const most = (concurrency: number) => ({ [MODEL]: told({ concurrency }) });
  test.each<[string, Readonly<Record<string, ToldLimits>>, number | null]>([
    ['is added up over the keys', { a: most(2), b: most(3) }, 5],
    ['bounds nothing when one key has none', { a: most(2), b: {} }, null],
    ['may be told nowhere', { a: {} }, null],
  ])('%s', async (_, limits, sum) => {
    expect((await kit.openWith(limits)).toldConcurrency(MODEL)).toBe(sum);
  });
});

describe('the API', () => {
  test('is told which keys there are and what was told of them, and never the keys', async () => {
    const prefix = kit.newPrefix();
    await kit.openWith({ a: perMinute(60), b: {} }, prefix);
    const keys = kit.keys(prefix);
    expect(await kit.redis.zrange(keys.upstreamKeys, '0', '-1')).toEqual(['a', 'b']);
    expect(await kit.redis.hgetall(keys.upstreamKey('a'))).toEqual({
      host: 'a.test',
      told: JSON.stringify(perMinute(60)),
    });
  });

  test('still is when a key was paused and goes on', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.openWith({ a: {} }, prefix);
    await governor.pauseKey('a', refusal, { isProbe: false, start: Date.now() });
    await governor.resumeKey('a');
    expect(await kit.redis.hgetall(kit.keys(prefix).upstreamKey('a'))).toMatchObject({ host: 'a.test', told: '{}' });
  });
});
