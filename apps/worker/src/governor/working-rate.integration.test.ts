// What a 429 teaches that names no limit, on real buckets: working-rate.lua and stop-bucket.lua.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type GovernorKit, MODEL, openGovernorKit, permitOf, refuse, said, told } from '../testing/governor-kit.ts';

let kit: GovernorKit;
beforeAll(async () => {
  kit = await openGovernorKit();
});
afterEach(() => kit.closeAll());
afterAll(() => kit.close());

describe('a 429 that names no limit, where none is known', () => {
  const vague = (seconds: number) => said({ 'retry-after': `${seconds}` }, 'You’ve exceeded the rate limit.');
  /** Opened with a bucket that stopped a minute ago and has gone by 100 a minute since. */
  async function openAfter(fields: Readonly<Record<string, number>>) {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    const now = Date.now();
    const books = { notBefore: now - 600_000, spanAt: now - 600_000, guessAt: now - 600_000, recentAt: now };
    const hash = kit.keys(prefix).bucket('default', MODEL);
    await kit.redis.hset(hash, { ...books, 'guessAt.images': now - 600_000, 'hint.images': 60, ...fields });
    return { governor, rate: () => workingRate(prefix) };
  }
  /** What the next call goes by. */
  async function workingRate(prefix: string): Promise<number> {
    await (await permitOf(await kit.open({}, prefix))).giveBack('unused');
    return Number((await kit.bucket(prefix, MODEL))['working.images']);
  }

  test('teaches what passed in the last minute, less all that were refused with it', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    const sent = await Promise.all(Array.from({ length: 40 }, () => permitOf(governor, 10)));
    for (const permit of sent.slice(0, 10)) await refuse(governor, permit, vague(4));
    const rate = await workingRate(prefix);
    expect(rate).toBeGreaterThan(295);
    expect(rate).toBeLessThanOrEqual(300);
    expect(Number((await kit.bucket(prefix, MODEL))['epoch'])).toBe(1);
  });

  test('teaches what its wait allows when less than that has passed, by the longest wait of a flood', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    const sent = await Promise.all([2, 2, 2].map((images) => permitOf(governor, images)));
    for (const [index, permit] of sent.entries()) await refuse(governor, permit, vague([1, 2.5, 2][index] ?? 0));
    expect(await workingRate(prefix)).toBeCloseTo(48, 0); // two images in 2.5 s
  });

  test('that waits too briefly to say so in its text lowers no guess', async () => {
    const waits = ['0.03', '0.00', '0.04', '0.00'];
    for (const order of [waits, waits.toReversed()]) {
      const prefix = kit.newPrefix();
      const governor = await kit.open({}, prefix);
      const sent = await Promise.all(order.map(() => permitOf(governor)));
      for (const [index, permit] of sent.entries()) {
        await refuse(governor, permit, said({}, `Please try again after ${order[index]} seconds.`));
      }
      expect(await workingRate(prefix)).toBeCloseTo(1_500, 0); // one image in 0.04 s
    }
  });

  const rateAfter = async (ms: number, seen: number, more: Readonly<Record<string, number>> = {}) => {
    const now = Date.now();
    const since = { notBefore: now - ms, 'guessAt.images': now - ms, 'hint.images': 1 };
    return (await openAfter({ ...since, 'seen.images': seen, ...more })).rate();
  };

  /** Asked for up to a second late, in which a guess grows by a quarter. */
  const expectGrown = (rate: number, to: number) => {
    expect(rate).toBeGreaterThan(to * 0.99);
    expect(rate).toBeLessThan(to * 1.25);
  };

  test('doubles its first guess every 3 s, six times', async () => {
    expectGrown(await rateAfter(0, 100), 100);
    expectGrown(await rateAfter(6_000, 100), 400);
    expect(await rateAfter(18_000, 100)).toBeCloseTo(6_400, 0);
    expect(await rateAfter(3_600_000, 100)).toBeCloseTo(6_400, 0);
  });

  test('waits with that for three calls to go well, 10 s at most', async () => {
    expectGrown(await rateAfter(18_000, 30), 240); // three in 6 s
    expectGrown(await rateAfter(30_000, 5), 40);
    expectGrown(await rateAfter(20_000, 100, { 'call.images': 10 }), 400);
  });

  test('lets calls that start later start at the rate of then', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    await refuse(governor, await permitOf(governor), said({ 'retry-after-ms': '200' })); // 300 a minute
    const starts: number[] = [];
    for (let index = 0; index < 30; index += 1) starts.push((await permitOf(governor)).receipt.start);
    const between = (one: number, other: number) => (starts[other] ?? 0) - (starts[one] ?? 0);
    // 5 a second, and twice as many 3 s later: 22 calls. At the rate of the first they take 4.4 s.
    expect(between(0, 22)).toBeGreaterThan(2_800);
    expect(between(0, 22)).toBeLessThan(3_300);
    expect(between(20, 29)).toBeLessThan(1_000);
  });

  test('once there is a rate, goes by what has passed since the 429 before, within half of it', async () => {
    const second = async (fields: Readonly<Record<string, number>>) => {
      const now = Date.now();
      const since = { notBefore: now - 3_000, spanAt: now - 10_000, 'guessAt.images': now - 3_000 };
      // A first guess of 100, which has doubled to 200.
      const { governor, rate } = await openAfter({ ...since, 'seen.images': 100, ...fields });
      const permit = await permitOf(governor);
      await refuse(governor, permit, vague(1));
      return rate();
    };
    expect(await second({ 'span.images': 24 })).toBeCloseTo(150, -1); // with the refused one 25 in 10 s
    expect(await second({ 'span.images': 100 })).toBeCloseTo(190, -1); // 5 % less than it was
    expect(await second({ 'span.images': 12 })).toBeCloseTo(100, -1); // never less than half
  });

  test('counts what passes from when there may be something again, not from the end of a longer stop', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    await refuse(governor, await permitOf(governor), said({ 'retry-after-ms': '100' })); // stopped for a second
    const { notBefore, spanAt } = await kit.bucket(prefix, MODEL);
    expect(Number(notBefore) - Number(spanAt)).toBeCloseTo(900, 0);
  });

  test('counts what passed in less than 5 s on to the next 429, so that few calls make no rate', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    const passAndRefuse = async (ms: number, count: number) => {
      for (const field of ['notBefore', 'spanAt', 'guessAt.images', 'tat.images']) {
        await kit.redis.hincrbyfloat(kit.keys(prefix).bucket('default', MODEL), field, -ms);
      }
      for (let index = 0; index < count; index += 1) await (await permitOf(governor)).giveBack('used');
      await refuse(governor, await permitOf(governor), said({ 'retry-after-ms': '100' }));
    };
    await passAndRefuse(0, 0);
    const asleep = await permitOf(governor);
    await passAndRefuse(2_000, 30);
    await passAndRefuse(5_000, 10);
    const after = await kit.bucket(prefix, MODEL);
    const calls = (fields: typeof after) => Number(fields['seen.images']) / Number(fields['seenFactor']);
    expect(calls(after)).toBeCloseTo(42, 0); // 30 and 10, the one that sleeps and the one refused last
    expect(after).toMatchObject({ 'span.images': '0' });
    await asleep.giveBack('unused');
    expect(calls(await kit.bucket(prefix, MODEL))).toBeCloseTo(41, 0);
  });

  test('counts all that passed since the 429 before, also what a count of the last minute has forgotten', async () => {
    const now = Date.now();
    const since = { notBefore: now - 95_000, spanAt: now - 95_000, 'guessAt.images': now - 95_000 };
    // 60 a minute; of them 48 are remembered as of the last minute (1 - 1 / e ^ (95 / 60)).
    const passed = { 'seen.images': 60, 'base.images': 64, 'span.images': 95, 'recent.images': 48 };
    const { governor, rate } = await openAfter({ ...since, ...passed });
    await refuse(governor, await permitOf(governor), vague(1));
    expect(await rate()).toBeGreaterThan(57);
    expect(await rate()).toBeLessThan(63);
  });

  test('keeps nine tenths right after another: requests from before that may have taken what there was', async () => {
    const now = Date.now();
    const since = { notBefore: now - 500, spanAt: now - 1_500, 'guessAt.images': now - 500 };
    const { governor, rate } = await openAfter({ ...since, 'seen.images': 600, 'span.images': 6 });
    await refuse(governor, await permitOf(governor), vague(1));
    expectGrown((await rate()) / 0.9, 600 * 2 ** (0.5 / 3));
  });

  test('keeps nine tenths when the last 429 was long ago: there may have been less to do since', async () => {
    const { governor, rate } = await openAfter({
      'seen.images': 60,
      'base.images': 64,
      'span.images': 200,
      'recent.images': 20,
    });
    await refuse(governor, await permitOf(governor), vague(1)); // 60 has grown to 98 in ten minutes
    const kept = 0.9 * 60 * 1.05 ** 10;
    expect(await rate()).toBeGreaterThan(kept - 1);
    expect(await rate()).toBeLessThan(kept + 1);
  });

  test('after that grows by 5 % a minute', async () => {
    const { rate } = await openAfter({ 'seen.images': 300, 'base.images': 200 });
    expect(await rate()).toBeCloseTo(190 * 1.05 ** 10, 0);
  });

  test('guesses anew where the rate had grown far beyond use', async () => {
    const { governor, rate } = await openAfter({ 'seen.images': 100, 'recent.images': 30 });
    const permit = await permitOf(governor);
    await refuse(governor, permit, vague(1));
    expect(await rate()).toBeCloseTo(60, -1); // 6,400 was never in use; one image a second is what the wait allows
  });

  test('teaches nothing where a limit is known', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 600 }) }, prefix);
    await refuse(governor, await permitOf(governor), vague(1));
    expect(await kit.bucket(prefix, MODEL)).not.toHaveProperty('hint.images');
  });
});
