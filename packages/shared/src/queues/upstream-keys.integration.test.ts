import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Keys, keysOf } from '../base/keys.ts';
import { readPause } from './upstream-keys.ts';

let test: TestRedis;
let keys: Keys;
beforeAll(async () => {
  test = await openTestRedis();
  keys = keysOf(test.prefix);
});
afterAll(() => test.close());

const NOW = 1_795_340_334_000;
const ERROR = { status: 401, type: 'invalid_request_error', code: 'invalid_api_key', message: 'Incorrect API key.' };

async function pause(fields: Readonly<Record<string, number>>) {
  await test.redis.del(keys.upstreamKey('default'));
  await test.redis.hset(keys.upstreamKey('default'), { paused: JSON.stringify(ERROR), backoff: 30_000, ...fields });
  return readPause(test.redis, keys, NOW);
}

describe('readPause', () => {
  it('is null while the key is used', async () => {
    expect(await readPause(test.redis, keys, NOW)).toBeNull();
  });

  it.each<[string, Record<string, number>]>([
    ['before its probe', { probeAt: NOW + 30_000 }],
    ['when its probe is just due', { probeAt: NOW - 1_000 }],
    ['while it is probed', { probeAt: NOW - 60_000, probingUntil: NOW + 1_000 }],
    ['when no probe is planned', {}],
  ])('is the error of a paused key %s', async (_when, fields) => {
    expect(await pause(fields)).toEqual(ERROR);
  });

  it('is null when a probe is long due and no call is there to make it', async () => {
    expect(await pause({ probeAt: NOW - 60_000 })).toBeNull();
  });
});

describe('readPause with several keys', () => {
  const QUOTA = { status: 429, type: 'insufficient_quota', code: 'insufficient_quota', message: 'Exceeded.' };
  const paused = (error: object) => ({ paused: JSON.stringify(error), probeAt: NOW + 30_000 });

  /** Keys by when a worker last had them and what is kept of them. */
  async function pauseAmong(known: Readonly<Record<string, readonly [seenAt: number, hash: object]>>) {
    await test.redis.del(keys.upstreamKeys);
    for (const [name, [seenAt, hash]] of Object.entries(known)) {
      await test.redis.zadd(keys.upstreamKeys, seenAt, name);
      await test.redis.del(keys.upstreamKey(name));
      await test.redis.hset(keys.upstreamKey(name), { host: 'x', ...hash });
    }
    return readPause(test.redis, keys, NOW);
  }

  it('is null while one of them is used', async () => {
    expect(await pauseAmong({ a: [NOW, paused(QUOTA)], b: [NOW, {}] })).toBeNull();
  });

  it('is an error when all are paused', async () => {
    expect(await pauseAmong({ a: [NOW, paused(QUOTA)], b: [NOW - 59_000, paused(ERROR)] })).toEqual(ERROR);
  });

  it('leaves out keys no worker has any more', async () => {
    expect(await pauseAmong({ a: [NOW, paused(QUOTA)], b: [NOW - 61_000, {}] })).toEqual(QUOTA);
  });

  it('goes by all that were known when no worker is there', async () => {
    expect(await pauseAmong({ a: [NOW - 70_000, paused(QUOTA)], b: [NOW - 90_000, {}] })).toBeNull();
    expect(await pauseAmong({ a: [NOW - 70_000, paused(QUOTA)], b: [NOW - 90_000, paused(ERROR)] })).toEqual(ERROR);
  });
});
