// What replies teach: limits up and down, what is left of them, shared limits by name, working rates, `slow_down`.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  ask,
  FAMILY,
  type GovernorKit,
  MODEL,
  openGovernorKit,
  permitOf,
  refuse,
  SISTER,
  said,
  told,
  waitOf,
} from '../testing/governor-kit.ts';
import type { Governor, Permit } from './governor.ts';

let kit: GovernorKit;
beforeAll(async () => {
  kit = await openGovernorKit();
});
afterEach(() => kit.closeAll());
afterAll(() => kit.close());

const limitIs = (perMinute: number, left = perMinute) =>
  said({ 'x-ratelimit-limit-input-images': `${perMinute}`, 'x-ratelimit-remaining-input-images': `${left}` });

/** A call that was answered with these headers. */
async function answer(governor: Governor, headers: ReturnType<typeof said>, images = 1): Promise<void> {
  const permit = await permitOf(governor, images);
  await permit.giveBack('used');
  await governor.observe(permit, headers);
}

/** How long each of so many calls of one image would wait. */
async function waitsOf(governor: Governor, count: number, model = MODEL): Promise<number[]> {
  const waits: number[] = [];
  for (let index = 0; index < count; index += 1) waits.push(waitOf(await governor.acquire(ask(1, { model }))));
  return waits;
}

/** Images a minute at which so many calls start, after those of the burst. */
async function rateOf(governor: Governor, count: number, images = 1): Promise<number> {
  const starts: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const { waitMs, receipt } = await permitOf(governor, images);
    if (waitMs > 0) starts.push(receipt.start);
  }
  return ((starts.length - 1) * images * 60_000) / ((starts.at(-1) ?? 0) - (starts[0] ?? 0));
}

/** Fields of a bucket. */
const bucket = (prefix: string, limit: string, key = 'default') =>
  kit.redis.hgetall(kit.keys(prefix).bucket(key, limit));

describe('a limit', () => {
  test('is learned from headers, and known to workers that start later', async () => {
    const prefix = kit.newPrefix();
    await answer(await kit.open({}, prefix), limitIs(60, 30));
    expect(await rateOf(await kit.open({}, prefix), 9)).toBeCloseTo(60, 0);
  });

  test('told by the operator holds as long as the upstream tells none that is lower', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 120 }) });
    await answer(governor, limitIs(6_000));
    expect(await rateOf(governor, 16)).toBeCloseTo(120, 0);
  });

  test('of the upstream that is lower than what was told holds', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 6_000 }) });
    await answer(governor, limitIs(60));
    expect(await rateOf(governor, 8)).toBeCloseTo(60, 0);
  });

  test('that was lowered rises again when headers say so', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 6_000, burst_seconds: 0 }) });
    await answer(governor, limitIs(60));
    await answer(governor, limitIs(3_000));
    expect(await rateOf(governor, 30)).toBeCloseTo(3_000, 0);
  });

  test('that is halved makes what has been reserved last twice as long', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 120, burst_seconds: 1 }) });
    const first = await permitOf(governor);
    expect((await waitsOf(governor, 4)).at(-1)).toBeGreaterThan(1_300);
    await governor.observe(first, limitIs(60));
    expect(waitOf(await governor.acquire(ask(1)))).toBeGreaterThan(3_800);
  });
});

describe('what is left', () => {
  test('less than we think, because others use the account: the burst is off', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 60 }) });
    await answer(governor, limitIs(60, 1));
    expect((await waitsOf(governor, 2))[0]).toBe(0);
    expect((await waitsOf(governor, 1))[0]).toBeGreaterThan(800);
  });

  test('counts what has been taken since that call, and repeating it changes nothing', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 60 }) });
    const [first, second] = [await permitOf(governor), await permitOf(governor)];
    await governor.observe(first, limitIs(60, 3)); // when `first` was counted; `second` has gone off it
    await governor.observe(second, limitIs(60, 2));
    await governor.observe(first, limitIs(60, 3));
    const waits = await waitsOf(governor, 3);
    expect(waits.slice(0, 2)).toEqual([0, 0]);
    expect(waits[2]).toBeGreaterThan(700);
  });

  test('more than we think never gives more', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 60, burst_seconds: 1 }) });
    await answer(governor, limitIs(600, 600));
    expect((await waitsOf(governor, 1))[0]).toBeGreaterThan(800);
  });
});

describe('what was left before a stop', () => {
  test('holds nothing back after it: calls that were to start have been taken off it, and never start', async () => {
    const governor = await kit.open({});
    const sent: Permit[] = [];
    for (let index = 0; index < 100; index += 1) sent.push(await permitOf(governor));
    const [answered, refused] = sent as [Permit, Permit];
    await refuse(governor, refused, said({ 'x-ratelimit-limit-input-images': '300', 'retry-after': '1' }));
    await governor.observe(answered, limitIs(300, 20));
    expect((await waitsOf(governor, 1))[0]).toBeLessThanOrEqual(1_000);
  });
});

describe('«for limit X» in a 429', () => {
  const named = (limit: string) =>
    said(
      { 'retry-after': '2' },
      `Rate limit reached for m (for limit ${limit}) in organization o on input-images per min: Limit 60, Used 60, Requested 1.`,
    );

  test('stops X, and the model goes by it from then on, on all workers', async () => {
    const prefix = kit.newPrefix();
    const [one, two] = [await kit.open({}, prefix), await kit.open({}, prefix)];
    const asleep = await permitOf(two);
    await refuse(one, await permitOf(one), named('gpt-image'));
    expect(await bucket(prefix, 'gpt-image')).toMatchObject({ 'learned.images': '60', epoch: '1' });
    expect(await bucket(prefix, MODEL)).not.toHaveProperty('notBefore');
    // Permits taken without X are void: the gate adds these epochs up.
    expect(Number((await bucket(prefix, MODEL))['epoch'])).toBe(asleep.epoch + 1);
    for (const governor of [one, two]) {
      const permit = await permitOf(governor);
      expect(permit.buckets).toContain(kit.keys(prefix).bucket('default', 'gpt-image'));
      expect(permit.waitMs).toBeGreaterThan(1_800);
    }
    expect(await kit.redis.hgetall(kit.keys(prefix).limitNames('default'))).toEqual({ [MODEL]: 'gpt-image' });
    expect((await waitsOf(two, 1, SISTER))[0]).toBe(0); // not known to share it
  });

  test('shares X between the models that were pointed at it', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({ 'gpt-image': told({ images_per_minute: 60, burst_seconds: 0 }) }, prefix);
    for (const model of [MODEL, SISTER]) {
      await refuse(governor, await permitOf(governor, 1, { model }), named('gpt-image'));
    }
    const [first] = await waitsOf(governor, 1);
    const [second] = await waitsOf(governor, 1, SISTER);
    expect(second).toBeGreaterThan((first ?? 0) + 900);
  });

  test('that names the family stops the family, and nothing has to be remembered', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    await refuse(governor, await permitOf(governor), named(FAMILY));
    expect((await waitsOf(governor, 1, SISTER))[0]).toBeGreaterThan(1_800);
    expect(await kit.redis.exists(kit.keys(prefix).limitNames('default'))).toBe(0);
  });

  test('learns a higher limit of X from headers later', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    await refuse(governor, await permitOf(governor), named('gpt-image'));
    await answer(governor, limitIs(600));
    expect(await bucket(prefix, 'gpt-image')).toMatchObject({ 'learned.images': '600' });
    await answer(governor, limitIs(300)); // perhaps the model's own
    expect(await bucket(prefix, 'gpt-image')).toMatchObject({ 'learned.images': '600' });
  });
});

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
    return Number((await bucket(prefix, MODEL))['working.images']);
  }

  test('teaches what passed in the last minute, less all that were refused with it', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    const sent = await Promise.all(Array.from({ length: 40 }, () => permitOf(governor, 10)));
    for (const permit of sent.slice(0, 10)) await refuse(governor, permit, vague(4));
    const rate = await workingRate(prefix);
    expect(rate).toBeGreaterThan(295);
    expect(rate).toBeLessThanOrEqual(300);
    expect(Number((await bucket(prefix, MODEL))['epoch'])).toBe(1);
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
    const { notBefore, spanAt } = await bucket(prefix, MODEL);
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
    const after = await bucket(prefix, MODEL);
    const calls = (fields: typeof after) => Number(fields['seen.images']) / Number(fields['seenFactor']);
    expect(calls(after)).toBeCloseTo(42, 0); // 30 and 10, the one that sleeps and the one refused last
    expect(after).toMatchObject({ 'span.images': '0' });
    await asleep.giveBack('unused');
    expect(calls(await bucket(prefix, MODEL))).toBeCloseTo(41, 0);
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
    expect(await bucket(prefix, MODEL)).not.toHaveProperty('hint.images');
  });
});

describe('a limit that was learned', () => {
  const HEADERS = { 'x-ratelimit-limit-images': '60', 'x-ratelimit-remaining-images': '59' };
  const DAY_MS = 86_400_000;

  test('is forgotten when nobody has told it for a day, and calls begin slowly until it is learned anew', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    const hash = kit.keys(prefix).bucket('default', MODEL);
    for (let index = 0; index < 9; index += 1) await governor.observe(await permitOf(governor), said(HEADERS));
    expect(await governor.acquire(ask(10))).not.toMatchObject({ permit: { waitMs: 0 } });
    await kit.redis.hincrbyfloat(hash, 'learnedAt.images', -DAY_MS);
    await kit.redis.hset(hash, 'tat.images', 0);
    const waits = [];
    for (let index = 0; index < 9; index += 1) waits.push(await permitOf(governor));
    expect(waits.at(-1)?.waitMs).toBeGreaterThan(0);
    await governor.observe(waits[0] as (typeof waits)[0], said(HEADERS));
    expect(Number((await bucket(prefix, MODEL))['learnedAt.images'])).toBeGreaterThan(Date.now() - 60_000);
  });

  test('holds as long as it is told again', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    await governor.observe(await permitOf(governor), said(HEADERS));
    await kit.redis.hincrbyfloat(kit.keys(prefix).bucket('default', MODEL), 'learnedAt.images', 1_000 - DAY_MS);
    await governor.observe(await permitOf(governor), said(HEADERS));
    expect(Number((await bucket(prefix, MODEL))['learnedAt.images'])).toBeGreaterThan(Date.now() - 60_000);
  });
});

describe('slow_down', () => {
  const asked = said({});

  test('halves the calls under way, once for all that come together, on all workers', async () => {
    const prefix = kit.newPrefix();
    const [one, two] = [await kit.open({}, prefix), await kit.open({}, prefix)];
    const sent = await Promise.all(Array.from({ length: 6 }, () => permitOf(one)));
    const caps = [];
    for (const permit of sent.slice(0, 3)) {
      await refuse(one, permit, asked);
      caps.push(await one.slowDown(permit));
    }
    expect(caps).toEqual([3, null, null]);
    expect(await two.acquire(ask(1))).toMatchObject({ kind: 'busy' }); // three are still under way
    await sent[3]?.giveBack('used');
    const third = await permitOf(two);
    expect((await two.acquire(ask(1))).kind).toBe('busy');
    // A call sent after that, and refused again.
    await refuse(two, third, asked);
    expect(await two.slowDown(third)).toBe(1);
  });

  test('counts no permit that still sleeps', async () => {
    const governor = await kit.open({ [MODEL]: told({ images_per_minute: 60, burst_seconds: 5 }) });
    const permits = await Promise.all(Array.from({ length: 9 }, () => permitOf(governor)));
    expect(permits.filter(({ waitMs }) => waitMs > 0)).toHaveLength(5);
    await permits[0]?.giveBack('refused');
    expect(await governor.slowDown(permits[0] as (typeof permits)[0])).toBe(2); // four were sent
  });

  test('without a known limit what goes on afterwards begins slowly once more', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    for (let index = 0; index < 8; index += 1) await permitOf(governor);
    const last = await permitOf(governor);
    await kit.redis.hincrbyfloat(kit.keys(prefix).bucket('default', MODEL), 'easedFrom', -60_000);
    await refuse(governor, last, said({ 'retry-after': '1' }), true);
    const after = [];
    for (let index = 0; index < 24; index += 1) after.push((await permitOf(governor)).waitMs);
    expect(Math.max(...after) - Math.min(...after)).toBeGreaterThan(500);
  });

  test('stops for as long as told, and says nothing about a rate', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    await refuse(governor, await permitOf(governor), said({ 'retry-after': '1' }), true);
    expect(await governor.acquire(ask(1))).toMatchObject({ kind: 'permit', permit: { waitMs: expect.any(Number) } });
    const known = await bucket(prefix, MODEL);
    expect(known).toHaveProperty('notBefore');
    expect(known).not.toHaveProperty('hint.images');
  });

  test('never leaves less than one, and doubles every 30 s until it is over', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    const permit = await permitOf(governor);
    await permit.giveBack('refused');
    expect(await governor.slowDown(permit)).toBe(1);
    const hash = kit.keys(prefix).bucket('default', MODEL);
    const roomAfter = async (ms: number): Promise<number> => {
      await kit.redis.hset(hash, 'slowAt', Date.now() - ms);
      const taken = [];
      for (let one = await governor.acquire(ask(1)); one.kind === 'permit' && taken.length < 20; ) {
        taken.push(one.permit);
        one = await governor.acquire(ask(1));
      }
      for (const one of taken) await one.giveBack('used');
      return taken.length;
    };
    expect(await roomAfter(29_000)).toBe(1);
    expect(await roomAfter(31_000)).toBe(2);
    expect(await roomAfter(61_000)).toBe(4);
    expect(await roomAfter(301_000)).toBe(20);
    expect(await kit.redis.hexists(hash, 'slowCap')).toBe(0);
  });

  test('is over as soon as it allows what was told', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({ [MODEL]: told({ concurrency: 4 }) }, prefix);
    const sent = await Promise.all(Array.from({ length: 4 }, () => permitOf(governor)));
    await sent[0]?.giveBack('refused');
    expect(await governor.slowDown(sent[0] as (typeof sent)[0])).toBe(2);
    const hash = kit.keys(prefix).bucket('default', MODEL);
    await kit.redis.hset(hash, 'slowAt', Date.now() - 31_000);
    await permitOf(governor);
    expect(await kit.redis.hexists(hash, 'slowCap')).toBe(0);
  });
});
