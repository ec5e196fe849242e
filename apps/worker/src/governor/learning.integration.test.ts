// What replies teach: limits up and down, what is left of them, shared limits by name, `slow_down`.
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
    expect(await kit.bucket(prefix, 'gpt-image')).toMatchObject({ 'learned.images': '60', epoch: '1' });
    expect(await kit.bucket(prefix, MODEL)).not.toHaveProperty('notBefore');
    // Permits taken without X are void: the gate adds these epochs up.
    expect(Number((await kit.bucket(prefix, MODEL))['epoch'])).toBe(asleep.epoch + 1);
    for (const governor of [one, two]) {
      const permit = await permitOf(governor);
      expect(permit.buckets.map(({ hash }) => hash)).toContain(kit.keys(prefix).bucket('default', 'gpt-image'));
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
    expect(await kit.bucket(prefix, 'gpt-image')).toMatchObject({ 'learned.images': '600' });
    await answer(governor, limitIs(300)); // perhaps the model's own
    expect(await kit.bucket(prefix, 'gpt-image')).toMatchObject({ 'learned.images': '600' });
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
    expect(Number((await kit.bucket(prefix, MODEL))['learnedAt.images'])).toBeGreaterThan(Date.now() - 60_000);
  });

  test('holds as long as it is told again', async () => {
    const prefix = kit.newPrefix();
    const governor = await kit.open({}, prefix);
    await governor.observe(await permitOf(governor), said(HEADERS));
    await kit.redis.hincrbyfloat(kit.keys(prefix).bucket('default', MODEL), 'learnedAt.images', 1_000 - DAY_MS);
    await governor.observe(await permitOf(governor), said(HEADERS));
    expect(Number((await kit.bucket(prefix, MODEL))['learnedAt.images'])).toBeGreaterThan(Date.now() - 60_000);
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
    const known = await kit.bucket(prefix, MODEL);
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
