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
