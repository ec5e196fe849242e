import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { keysOf } from '@darkroom/shared/base/keys.ts';
import type { ToldLimits } from '@darkroom/shared/base/variables.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Acquired, type Governor, openGovernor, type Permit } from './governor.ts';
import { observe } from './observation.ts';

const MODEL = 'gpt-image-2.6-flare';
const FAMILY = 'gpt-image-2.6';
let server: TestRedis;
let count = 0;
const opened: Governor[] = [];

beforeAll(async () => {
  server = await openTestRedis();
});
afterEach(() => {
  for (const governor of opened.splice(0)) governor.close();
});
afterAll(() => server.close());

/** A governor with buckets of its own; several of one `prefix` are several workers. */
function open(limits: ToldLimits, prefix = `${server.prefix}-${(count += 1)}`): Governor {
  const governor = openGovernor({
    redis: server.redis,
    keys: keysOf(prefix),
    limits,
    upstreamKey: 'default',
    onError: (error) => {
      throw error;
    },
  });
  opened.push(governor);
  return governor;
}

const told = (fields: Partial<ToldLimits[string]>): ToldLimits[string] => ({ burst_seconds: 5, ...fields });
const ask = (images: number, tokens = 0) => ({ model: MODEL, images, tokens });
const wait = (acquired: Acquired): number => (acquired.kind === 'permit' ? acquired.permit.waitMs : acquired.waitMs);

async function permit(governor: Governor, images = 1): Promise<Permit> {
  const acquired = await governor.acquire(ask(images));
  if (acquired.kind !== 'permit') throw new Error(`refused: ${acquired.kind} ${acquired.waitMs}`);
  return acquired.permit;
}

const said = (headers: Record<string, string>, message = '') => observe(new Headers(headers), message, Date.now());

describe('looking', () => {
  test('says what asking would get, and takes nothing', async () => {
    const governor = open({ [MODEL]: told({ images_per_minute: 60 }) });
    for (let index = 0; index < 20; index += 1) expect(await governor.look(ask(5))).toBeNull();
    expect((await permit(governor, 5)).waitMs).toBe(0);
    expect(await governor.look(ask(5))).toBeNull(); // a wait that is slept
    await permit(governor, 5);
    expect(await governor.look(ask(5))).toMatchObject({ kind: 'rate', waitMs: expect.any(Number) });
  });

  test('sees calls under way, and counts as none', async () => {
    const governor = open({ [MODEL]: told({ concurrency: 1 }) });
    expect(await governor.look(ask(1))).toBeNull();
    const held = await permit(governor);
    expect(await governor.look(ask(1))).toMatchObject({ kind: 'busy' });
    await held.giveBack('used');
    expect(await governor.look(ask(1))).toBeNull();
  });
});

describe('rate', () => {
  test('without a limit every permit is for now', async () => {
    const governor = open({});
    expect(await Promise.all(Array.from({ length: 50 }, async () => wait(await governor.acquire(ask(10)))))).toEqual(
      Array(50).fill(0),
    );
  });

  test('a burst goes at once, then starts are spread by the limit', async () => {
    const governor = open({ [MODEL]: told({ images_per_minute: 60 }) }); // one a second, five at once
    const waits: number[] = [];
    for (let index = 0; index < 8; index += 1) waits.push(wait(await governor.acquire(ask(1))));
    expect(waits.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
    for (const [index, ms] of waits.slice(5).entries()) {
      expect(ms).toBeGreaterThan(index * 1_000 + 700);
      expect(ms).toBeLessThanOrEqual((index + 1) * 1_000);
    }
  });

  test('images weigh: ten images take ten places', async () => {
    const governor = open({ [MODEL]: told({ images_per_minute: 600, burst_seconds: 0 }) });
    expect(wait(await governor.acquire(ask(10)))).toBe(0);
    const next = wait(await governor.acquire(ask(10)));
    expect(next).toBeGreaterThan(900);
    expect(next).toBeLessThanOrEqual(1_000);
  });

  test('a wait over five seconds takes nothing', async () => {
    const governor = open({ [MODEL]: told({ images_per_minute: 6, burst_seconds: 0 }) });
    await permit(governor);
    const refused = await governor.acquire(ask(1));
    expect(refused.kind).toBe('rate');
    expect(wait(refused)).toBeGreaterThan(9_000);
    expect(wait(await governor.acquire(ask(1)))).toBeLessThanOrEqual(wait(refused));
  });

  test('limits of model and family hold together, and so do requests and tokens', async () => {
    const both = open({
      [MODEL]: told({ images_per_minute: 6_000 }),
      [FAMILY]: told({ images_per_minute: 60, burst_seconds: 1 }),
    });
    await permit(both);
    expect(wait(await both.acquire(ask(1)))).toBeGreaterThan(800);
    const requests = open({ [MODEL]: told({ requests_per_minute: 60, burst_seconds: 1 }) });
    await permit(requests, 10);
    expect(wait(await requests.acquire(ask(10)))).toBeGreaterThan(800);
    const tokens = open({ [MODEL]: told({ tokens_per_minute: 60_000, burst_seconds: 1 }) });
    await tokens.acquire(ask(1, 1_000));
    expect(wait(await tokens.acquire(ask(1, 1_000)))).toBeGreaterThan(800);
  });

  test('a permit given back unused frees its places; a used one does not', async () => {
    const governor = open({ [MODEL]: told({ images_per_minute: 60, burst_seconds: 1 }) });
    await (await permit(governor)).giveBack('unused');
    const second = await permit(governor);
    expect(second.waitMs).toBe(0);
    await second.giveBack('used');
    expect(wait(await governor.acquire(ask(1)))).toBeGreaterThan(800);
  });

  test('a call larger than the whole limit still gets its turn', async () => {
    const governor = open({ [MODEL]: told({ images_per_minute: 5 }) });
    expect((await permit(governor, 10)).waitMs).toBe(0);
  });

  test('2,000 mixed reservations of four workers never pass the limit by more than the burst', async () => {
    const limit = 60_000; // 1,000 a second, so that a few seconds of reservations fit in one test
    const prefix = `${server.prefix}-mixed`;
    const workers = Array.from({ length: 4 }, () =>
      open({ [MODEL]: told({ images_per_minute: limit, burst_seconds: 1 }) }, prefix),
    );
    const weights = fc.sample(fc.integer({ min: 1, max: 10 }), { numRuns: 2_000, seed: 7 });
    const startedAt = Date.now();
    const starts = await Promise.all(
      weights.map(async (images, index) => {
        const acquired = await (workers[index % 4] as Governor).acquire(ask(images));
        return { at: Date.now() - startedAt + wait(acquired), images: acquired.kind === 'permit' ? images : 0 };
      }),
    );
    const lastMs = Math.max(...starts.map((start) => start.at));
    for (let from = 0; from < lastMs; from += 250) {
      const inWindow = starts
        .filter(({ at }) => at >= from && at < from + 1_000)
        .reduce((sum, { images }) => sum + images, 0);
      expect(inWindow).toBeLessThanOrEqual(2_000 + 250); // a second's rate, the burst, and the reply time of the reservations
    }
    expect(starts.reduce((sum, { images }) => sum + images, 0)).toBeGreaterThan(5_000);
  });
});

describe('concurrency', () => {
  test('is kept by all workers together, and a finished call makes room', async () => {
    const prefix = `${server.prefix}-concurrency`;
    const limits = { [FAMILY]: told({ concurrency: 2 }) };
    const [one, two] = [open(limits, prefix), open(limits, prefix)];
    const first = await permit(one);
    await permit(two);
    expect((await one.acquire(ask(1))).kind).toBe('busy');
    await first.giveBack('used');
    expect((await two.acquire(ask(1))).kind).toBe('permit');
  });
});

describe('a 429', () => {
  test('stops the bucket as long as told, at least a second, and makes older permits stale', async () => {
    const governor = open({});
    const before = await permit(governor);
    await governor.stop(MODEL, said({ 'retry-after-ms': '2500' }));
    const after = await permit(governor);
    expect(after.waitMs).toBeGreaterThan(2_000);
    expect(after.epoch).toBe(before.epoch + 1);
    const other = open({});
    await other.stop(MODEL, said({ 'retry-after-ms': '15' }));
    expect(wait(await other.acquire(ask(1)))).toBeGreaterThan(800);
  });

  test('many together stop it once', async () => {
    const governor = open({});
    await Promise.all(Array.from({ length: 20 }, () => governor.stop(MODEL, said({ 'retry-after': '3' }))));
    const acquired = await permit(governor);
    expect(acquired.epoch).toBe(1);
    expect(acquired.waitMs).toBeLessThanOrEqual(3_000);
  });

  test('of minutes hands calls back', async () => {
    const governor = open({});
    await governor.stop(MODEL, said({ 'retry-after': '90' }));
    expect(await governor.acquire(ask(1))).toMatchObject({ kind: 'rate' });
  });

  test('teaches the limit, and the bucket goes on at that rate, without a burst', async () => {
    const governor = open({});
    const told429 = said({}, 'on input-images per min: Limit 60, Used 60, Requested 1. Please try again in 1s.');
    await governor.observe(MODEL, told429);
    await governor.stop(MODEL, told429);
    const waits: number[] = [];
    for (let index = 0; index < 3; index += 1) waits.push(wait(await governor.acquire(ask(1))));
    expect(waits[1] as number).toBeGreaterThan((waits[0] as number) + 900);
    expect(waits[2] as number).toBeGreaterThan((waits[1] as number) + 900);
  });

  test('never overrules a limit the operator told', async () => {
    const governor = open({ [MODEL]: told({ images_per_minute: 6_000 }) });
    await governor.observe(MODEL, said({ 'x-ratelimit-limit-input-images': '6' }));
    await permit(governor);
    expect((await permit(governor)).waitMs).toBe(0);
  });
});

describe('a refused key', () => {
  const refusal = ServiceError.upstream({
    status: 401,
    type: 'invalid_request_error',
    code: 'invalid_api_key',
    message: 'no',
    verdict: 'pause',
  });

  test('stops every worker; the first probe comes after 30 s, a failed one doubles that, late refusals do not', async () => {
    const prefix = `${server.prefix}-paused`;
    const [one, two] = [open({}, prefix), open({}, prefix)];
    expect(await one.pauseKey('default', refusal, false)).toBe(30_000);
    expect(await two.acquire(ask(1))).toMatchObject({ kind: 'paused' });
    expect(await two.pauseKey('default', refusal, false)).toBeLessThanOrEqual(30_000);
    expect(await one.pauseKey('default', refusal, true)).toBe(60_000);
    for (let times = 0; times < 6; times += 1) await one.pauseKey('default', refusal, true);
    expect(await one.pauseKey('default', refusal, true)).toBe(600_000);
  });

  test('is probed by one call alone, and goes on when that was accepted', async () => {
    const prefix = `${server.prefix}-probe`;
    const governor = open({}, prefix);
    await governor.pauseKey('default', refusal, false);
    await server.redis.hset(keysOf(prefix).upstreamKey('default'), 'probeAt', Date.now() - 1);
    const probe = await permit(governor);
    expect(probe.isProbe).toBe(true);
    expect((await governor.acquire(ask(1))).kind).toBe('paused');
    expect(await governor.resumeKey('default')).toBe(true);
    expect((await permit(governor)).isProbe).toBe(false);
    expect(await governor.resumeKey('default')).toBe(false);
  });

  test('a probe that was never sent leaves the place to the next', async () => {
    const prefix = `${server.prefix}-unsent`;
    const governor = open({}, prefix);
    await governor.pauseKey('default', refusal, false);
    await server.redis.hset(keysOf(prefix).upstreamKey('default'), 'probeAt', Date.now() - 1);
    await (await permit(governor)).giveBack('unused');
    expect((await permit(governor)).isProbe).toBe(true);
  });
});
