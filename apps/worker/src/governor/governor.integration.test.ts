// Rates, concurrency, stops and pauses under one upstream key. Several keys: upstream-keys.integration.test.ts; what is learned
// of limits: learning.integration.test.ts.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { laneQueueKey } from '@darkroom/shared/lanes/read-lanes.ts';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  ask,
  FAMILY,
  type GovernorKit,
  MODEL,
  openGovernorKit,
  permitOf as permit,
  refuse,
  said,
  told,
  waitOf as wait,
} from '../testing/governor-kit.ts';
import type { Governor, Permit } from './governor.ts';

let kit: GovernorKit;
beforeAll(async () => {
  kit = await openGovernorKit();
});
afterEach(() => kit.closeAll());
afterAll(() => kit.close());

describe('looking', () => {
  test('says what asking would get, and takes nothing', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 60 }) });
    for (let index = 0; index < 20; index += 1) expect(await governor.look(ask(5))).toBeNull();
    expect((await permit(governor, 5)).waitMs).toBe(0);
    expect(await governor.look(ask(5))).toBeNull(); // a wait that is slept
    await permit(governor, 5);
    expect(await governor.look(ask(5))).toMatchObject({ kind: 'rate', waitMs: expect.any(Number) });
  });

  test('sees calls under way, and counts as none', async () => {
    const governor = await kit.open({ [MODEL]: told({ concurrency: 1 }) });
    expect(await governor.look(ask(1))).toBeNull();
    const held = await permit(governor);
    expect(await governor.look(ask(1))).toMatchObject({ kind: 'busy' });
    await held.giveBack('used');
    expect(await governor.look(ask(1))).toBeNull();
  });
});

describe('rate', () => {
  test('without a limit calls start slowly, once: eight at once, then twice as many every second', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    const first: Permit[] = [];
    for (let index = 0; index < 64; index += 1) first.push(await permit(governor, 10));
    const startsMs = first.map(({ receipt }) => receipt.start - (first[0] as Permit).receipt.start);
    for (const [underWay, ms] of [
      [8, 0],
      [16, 1_000],
      [32, 2_000],
      [64, 3_000],
    ] as const) {
      expect(startsMs[underWay - 1]).toBeGreaterThanOrEqual(ms);
      expect(startsMs[underWay - 1]).toBeLessThan(ms + 400);
    }
    // What was once begun slowly goes on at any speed.
    await kit.redis.hincrbyfloat(kit.keys(prefix).bucket('default', MODEL), 'easedFrom', -10_000);
    expect((await permit(governor)).waitMs).toBe(0);
  });

  test('calls under way from before, however many, only delay the slow start', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    const [leases, bucket] = [kit.keys(prefix).leases('default', MODEL), kit.keys(prefix).bucket('default', MODEL)];
    const before = Array.from({ length: 400 }, (_, index) => [Date.now() + 600_000, `before-${index}`]).flat();
    await kit.redis.zadd(leases, ...before);
    expect(await governor.acquire(ask(1))).toMatchObject({ kind: 'rate' });
    expect(await kit.redis.hexists(bucket, 'easedFrom')).toBe(1);
    await kit.redis.hincrbyfloat(bucket, 'easedFrom', -10_000); // ten seconds go by
    expect((await permit(governor)).waitMs).toBe(0);
  });

  test('a clock that is set back by an hour does not hold a slow start for an hour', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    for (let index = 0; index < 9; index += 1) await permit(governor, 10);
    await kit.redis.hincrbyfloat(kit.keys(prefix).bucket('default', MODEL), 'easedFrom', 3_600_000);
    expect((await permit(governor)).waitMs).toBeLessThan(1_000);
  });

  test('without a limit every permit is for now while those before are answered', async () => {
    const governor = await kit.open({});
    for (let index = 0; index < 50; index += 1) {
      const one = await permit(governor, 10);
      expect(one.waitMs).toBe(0);
      await one.giveBack('used');
    }
  });

  test('with a limit told for the model or its family nothing starts slowly', async () => {
    for (const name of [MODEL, FAMILY]) {
      const governor = await kit.open({ [name]: told({ images_per_minute: 6_000 }) });
      for (let index = 0; index < 50; index += 1) expect((await permit(governor)).waitMs).toBe(0);
    }
  });

  test('a burst goes at once, then starts are spread by the limit', async () => {
    // One a second, five at once: of the burst a quarter of a second is kept back.
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 60, burst_seconds: 5.25 }) });
    const waits: number[] = [];
    for (let index = 0; index < 8; index += 1) waits.push(wait(await governor.acquire(ask(1))));
    expect(waits.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
    for (const [index, ms] of waits.slice(5).entries()) {
      expect(ms).toBeGreaterThan(index * 1_000 + 700);
      expect(ms).toBeLessThanOrEqual((index + 1) * 1_000);
    }
  });

  test('images weigh: ten images take ten places', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 600, burst_seconds: 0 }) });
    expect(wait(await governor.acquire(ask(10)))).toBe(0);
    const next = wait(await governor.acquire(ask(10)));
    expect(next).toBeGreaterThan(900);
    expect(next).toBeLessThanOrEqual(1_000);
  });

  test('a wait over five seconds takes nothing', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 6, burst_seconds: 0 }) });
    await permit(governor);
    const refused = await governor.acquire(ask(1));
    expect(refused.kind).toBe('rate');
    expect(wait(refused)).toBeGreaterThan(9_000);
    expect(wait(await governor.acquire(ask(1)))).toBeLessThanOrEqual(wait(refused));
  });

  test('a call for ten images gets its turn between calls for one, though it starts later', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 300, burst_seconds: 4.25 }) });
    for (let index = 0; index < 44; index += 1) await permit(governor); // of which 20 at once
    const { waitMs } = await permit(governor, 10);
    expect(waitMs).toBeGreaterThan(6_000);
    expect(waitMs).toBeLessThanOrEqual(6_800);
    // What one image would have to wait is what the lane rests by.
    const [ten, one] = [await governor.acquire(ask(10)), await governor.acquire(ask(1))];
    expect([ten.kind, one.kind]).toEqual(['rate', 'rate']);
    expect(Math.abs(wait(ten) - wait(one))).toBeLessThan(100);
  });

  test('no call waits for more than ten seconds', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 5 }) });
    await permit(governor);
    expect((await governor.acquire(ask(5))).kind).toBe('rate');
  });

  test('limits of model and family hold together, and so do requests and tokens', async () => {
    const both = await kit.open({
      [MODEL]: told({ images_per_minute: 6_000 }),
      [FAMILY]: told({ images_per_minute: 60, burst_seconds: 1 }),
    });
    await permit(both);
    expect(wait(await both.acquire(ask(1)))).toBeGreaterThan(800);
    const requests = await kit.open({ [MODEL]: told({ requests_per_minute: 60, burst_seconds: 1 }) });
    await permit(requests, 10);
    expect(wait(await requests.acquire(ask(10)))).toBeGreaterThan(800);
    const tokens = await kit.open({ [MODEL]: told({ tokens_per_minute: 60_000, burst_seconds: 1 }) });
    await tokens.acquire(ask(1, { tokens: 1_000 }));
    expect(wait(await tokens.acquire(ask(1, { tokens: 1_000 })))).toBeGreaterThan(800);
  });

  test('a permit given back unused frees its places; a used one does not', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 60, burst_seconds: 1 }) });
    await (await permit(governor)).giveBack('unused');
    const second = await permit(governor);
    expect(second.waitMs).toBe(0);
    await second.giveBack('used');
    expect(wait(await governor.acquire(ask(1)))).toBeGreaterThan(800);
  });

  test.each([
    ['images', told({ images_per_minute: 5 }), 5],
    ['tokens', told({ tokens_per_minute: 30_000 }), 4],
    ['tokens of a single image', told({ tokens_per_minute: 100 }), 1],
  ])(
    'a call for more %s than the whole limit gets no permit, but is told how much would fit',
    async (_, limit, most) => {
      const governor = await kit.open({ [MODEL]: limit });
      const large = ask(10, { tokens: 70_240 });
      expect(await governor.look(large)).toEqual({ kind: 'too-large', most });
      expect(await governor.acquire(large)).toEqual({ kind: 'too-large', most });
      expect((await permit(governor, most, { tokens: 7_024 * most })).waitMs).toBe(0);
    },
  );

  test('a guessed limit cuts calls too, so that one that never fits does not take every turn', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    for (const refusal of ['first', 'second']) {
      expect(await governor.look(ask(10)), refusal).toBeNull();
      await refuse(governor, await permit(governor, 10), said({ 'retry-after': '51' }));
      // As if the stop were over.
      const past = Object.fromEntries(
        ['notBefore', 'tat.images', 'guessAt.images'].map((field) => [field, Date.now()]),
      );
      past['refusedAt'] = Date.now() - 51_000;
      past['spanAt'] = Date.now();
      await kit.redis.hset(kit.keys(prefix).bucket('default', MODEL), past);
    }
    expect(await governor.look(ask(10))).toEqual({ kind: 'too-large', most: 5 });
  });

  test('2,000 mixed reservations of four workers never pass the limit by more than the burst', async () => {
    const limit = 60_000; // 1,000 a second, so that a few seconds of reservations fit in one test
    const prefix = kit.newPrefix();
    const limits = { [MODEL]: told({ images_per_minute: limit, burst_seconds: 1 }) };
    const workers = await Promise.all(Array.from({ length: 4 }, () => kit.open(limits, prefix)));
    const weights = fc.sample(fc.integer({ min: 1, max: 10 }), { numRuns: 2_000, seed: 7 });
    const acquired = await Promise.all(
      weights.map((images, index) => (workers[index % 4] as Governor).acquire(ask(images))),
    );
    const permits = acquired.flatMap((one) => (one.kind === 'permit' ? [one.permit] : []));
    const starts = permits.map(({ receipt, images }) => ({ at: receipt.start, images }));
    const firstMs = Math.min(...starts.map((start) => start.at));
    const lastMs = Math.max(...starts.map((start) => start.at));
    for (let from = firstMs; from < lastMs; from += 250) {
      const inWindow = starts
        .filter(({ at }) => at >= from && at < from + 1_000)
        .reduce((sum, { images }) => sum + images, 0);
      expect(inWindow).toBeLessThanOrEqual(2_001); // a second's rate and the burst, to a tenth of a millisecond
    }
    expect(starts.reduce((sum, { images }) => sum + images, 0)).toBeGreaterThan(5_000);
  });
});

describe('concurrency', () => {
  test('is kept by all workers together, and a finished call makes room', async () => {
    const prefix = kit.newPrefix();
    const limits = { [FAMILY]: told({ concurrency: 2 }) };
    const [one, two] = [await kit.open(limits, prefix), await kit.open(limits, prefix)];
    const first = await permit(one);
    await permit(two);
    expect((await one.acquire(ask(1))).kind).toBe('busy');
    await first.giveBack('used');
    expect((await two.acquire(ask(1))).kind).toBe('permit');
  });
});

describe('a 429', () => {
  test('stops the bucket as long as told, at least a second, and makes older permits stale', async () => {
    const governor = await kit.open({});
    const before = await permit(governor);
    await refuse(governor, await permit(governor), said({ 'retry-after-ms': '15' }));
    const after = await permit(governor);
    expect(after.waitMs).toBeGreaterThan(900);
    expect(after.waitMs).toBeLessThanOrEqual(1_000);
    expect(after.epoch).toBe(before.epoch + 1);
  });

  test('stops calls that have nothing of what ran out, too', async () => {
    const governor = await kit.open({});
    const outOfTokens = said(
      { 'retry-after': '2' },
      'Rate limit reached for m on tokens per min (TPM): Limit 60, Used 60',
    );
    await refuse(governor, await permit(governor), outOfTokens);
    expect((await permit(governor)).waitMs).toBeGreaterThan(1_800); // its tokens are not known
  });

  test('many together stop it once', async () => {
    const governor = await kit.open({});
    const sent = await Promise.all(Array.from({ length: 20 }, () => permit(governor)));
    await Promise.all(sent.map((one) => refuse(governor, one, said({ 'retry-after': '3' }))));
    const acquired = await permit(governor);
    expect(acquired.epoch).toBe(1);
    expect(acquired.waitMs).toBeLessThanOrEqual(3_000);
  });

  test('heard of only when its stop is long over stops nothing again, unless it says for how long', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    const [first, late, later] = [await permit(governor), await permit(governor), await permit(governor)];
    await refuse(governor, first, said({ 'retry-after-ms': '40' }));
    await kit.redis.hset(kit.keys(prefix).bucket('default', MODEL), 'notBefore', Date.now() - 5_000);
    await refuse(governor, late, said({ 'retry-after-ms': '40' }));
    expect((await permit(governor)).epoch).toBe(1);
    await refuse(governor, later, said({ 'retry-after': '3' }));
    const after = await permit(governor);
    expect(after.epoch).toBe(2);
    expect(after.waitMs).toBeGreaterThan(2_700);
  });

  test('of minutes hands calls back, one of hours is not believed', async () => {
    const governor = await kit.open({});
    await refuse(governor, await permit(governor), said({ 'retry-after': '54749' }));
    const refused = await governor.acquire(ask(1));
    expect(refused).toMatchObject({ kind: 'rate' });
    expect(wait(refused)).toBeGreaterThan(590_000);
    expect(wait(refused)).toBeLessThanOrEqual(600_000);
  });

  test('goes on at its rate, with room for the refused call alone', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 60 }) });
    await refuse(governor, await permit(governor), said({ 'retry-after': '1' }));
    const waits: number[] = [];
    for (let index = 0; index < 4; index += 1) waits.push(wait(await governor.acquire(ask(1))));
    for (const [index, ms] of waits.entries()) {
      expect(ms).toBeGreaterThan(900 + index * 1_000 - 100);
      expect(ms).toBeLessThanOrEqual(1_000 + index * 1_000);
    }
  });

  test('leaves a larger call than the refused one to wait for more room', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 120, burst_seconds: 0 }) });
    await refuse(governor, await permit(governor), said({ 'retry-after': '1' }));
    const waitMs = wait(await governor.acquire(ask(5)));
    expect(waitMs).toBeGreaterThan(2_800); // a second, and four images more at two a second
    expect(waitMs).toBeLessThanOrEqual(3_000);
  });

  test('forgets what sleepers had reserved: they take new permits', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 60, burst_seconds: 1 }) });
    const sleepers = [];
    for (let index = 0; index < 5; index += 1) sleepers.push(await permit(governor));
    await refuse(governor, sleepers[0] as Permit, said({ 'retry-after': '1' }));
    for (const sleeper of sleepers.slice(1)) await sleeper.giveBack('unused');
    expect(wait(await governor.acquire(ask(1)))).toBeLessThanOrEqual(1_000);
    expect(wait(await governor.acquire(ask(1)))).toBeGreaterThan(1_800);
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
    const prefix = kit.newPrefix();
    const [one, two] = [await kit.open({}, prefix), await kit.open({}, prefix)];
    expect(await one.pauseKey('default', refusal, { isProbe: false, start: Date.now() })).toBe(30_000);
    expect(await two.acquire(ask(1))).toMatchObject({ kind: 'paused' });
    expect(await two.pauseKey('default', refusal, { isProbe: false, start: Date.now() })).toBeLessThanOrEqual(30_000);
    expect(await one.pauseKey('default', refusal, { isProbe: true, start: Date.now() })).toBe(60_000);
    for (let times = 0; times < 6; times += 1)
      await one.pauseKey('default', refusal, { isProbe: true, start: Date.now() });
    expect(await one.pauseKey('default', refusal, { isProbe: true, start: Date.now() })).toBe(600_000);
  });

  test('is not paused again by a call from before it was resumed', async () => {
    const { governor } = await pausedKey();
    const before = Date.now() - 1;
    await governor.resumeKey('default');
    expect(await governor.pauseKey('default', refusal, { isProbe: false, start: before })).toBe(0);
    expect((await governor.acquire(ask(1))).kind).toBe('permit');
    const after = (await permit(governor)).receipt.start;
    expect(await governor.pauseKey('default', refusal, { isProbe: false, start: after })).toBe(30_000);
  });

  /** Paused, and its probe is due. */
  async function pausedKey(): Promise<{ prefix: string; governor: Governor }> {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    await governor.pauseKey('default', refusal, { isProbe: false, start: Date.now() });
    await kit.redis.hset(kit.keys(prefix).upstreamKey('default'), 'probeAt', Date.now() - 1);
    return { prefix, governor };
  }

  test('is probed by one call alone, and goes on when that was accepted', async () => {
    const { prefix, governor } = await pausedKey();
    const probe = await permit(governor);
    expect(probe.isProbe).toBe(true);
    expect((await governor.acquire(ask(1))).kind).toBe('paused');
    const rest = laneQueueKey(kit.keys(prefix), MODEL, 'limiter');
    await kit.redis.set(rest, 1);
    expect(await governor.resumeKey('default')).toBe(true);
    expect(await kit.redis.exists(rest)).toBe(0);
    expect((await permit(governor)).isProbe).toBe(false);
    expect(await governor.resumeKey('default')).toBe(false);
  });

  test('a probe that was told nothing of the key puts the next one off, and doubles nothing', async () => {
    const { governor } = await pausedKey();
    await (await permit(governor)).giveBack('used');
    await governor.putOffProbe('default');
    const waiting = await governor.acquire(ask(1));
    expect(waiting).toMatchObject({ kind: 'paused' });
    expect(wait(waiting)).toBeGreaterThan(29_000);
    expect(wait(waiting)).toBeLessThanOrEqual(30_000);
  });

  test('a probe that was never sent leaves the place to the next', async () => {
    const { governor } = await pausedKey();
    await (await permit(governor)).giveBack('unused');
    expect((await permit(governor)).isProbe).toBe(true);
  });
});
