import { describe, expect, it } from 'vitest';
import { expectedWaitSeconds, toLaneRate } from './lane-outlook.ts';
import type { LimitState, Rate } from './limit-state.ts';
import { retryAfterSeconds } from './queue-room.ts';
import type { KeyState, LaneState } from './read-lanes.ts';

const NOW = 1_795_340_000_000;
const PAUSE = {
  since: NOW,
  nextProbeAt: NOW,
  isProbing: false,
  error: { status: 401, type: 'x', code: null, message: '' },
};

function limit(images: number | null, requests: number | null = null, stoppedUntil: number | null = null): LimitState {
  return {
    name: 'm',
    rates: { images: rate(images), requests: rate(requests), tokens: null },
    tokensPerImage: null,
    concurrency: { limit: null, inUse: 0, loweredTo: null },
    stoppedUntil,
  };
}

function rate(perMinute: number | null, freeAt = 0): Rate | null {
  return perMinute === null ? null : { limit: perMinute, source: 'told', available: 1, freeAt };
}

/** So many images at 4,000 tokens each. */
function tokenLimit(perMinute: number, tokensPerImage: number | null): LimitState {
  return { ...limit(null), rates: { images: null, requests: null, tokens: rate(perMinute) }, tokensPerImage };
}

/** One whose next image has to wait. */
function usedUpUntil(freeAt: number): LimitState {
  return { ...limit(null), rates: { images: rate(60, freeAt), requests: null, tokens: null } };
}

function key(limits: readonly LimitState[], isPaused = false): KeyState {
  return { name: 'k', host: null, paused: isPaused ? PAUSE : null, limits };
}

function lane(keys: readonly KeyState[], changes: Partial<LaneState> = {}): LaneState {
  return {
    id: 'm',
    readAt: NOW,
    waiting: 0,
    delayed: 0,
    active: 0,
    openCalls: 0,
    openByAccount: [],
    ahead: 0,
    busySince: null,
    lastStartedAt: null,
    startedPerMinute: { calls: 0, images: 0 },
    imagesWhileBusy: 0,
    restingUntil: null,
    isStorageAway: false,
    keys,
    ...changes,
  };
}

describe('the rate of a lane', () => {
  it.each<[string, readonly KeyState[], number | null]>([
    ['the least of the limits of its key', [key([limit(60), limit(20), limit(null)])], 20],
    ['the sum over its keys', [key([limit(60)]), key([limit(30)])], 90],
    ['what was measured where one of its keys has no known limit', [key([limit(60)]), key([limit(null)])], 30],
    ['the sum, when that key is paused', [key([limit(60)]), key([limit(null)], true)], 60],
    ['without keys that are paused', [key([limit(60)]), key([limit(30)], true)], 60],
    ['by requests too, two images each', [key([limit(60, 20)])], 40],
    ['by tokens, as many as images took of late', [key([limit(60), tokenLimit(80_000, 4_000)])], 20],
    ['without tokens while none have been taken', [key([limit(60), tokenLimit(80_000, null)])], 60],
    ['what was measured where no limit is known', [key([limit(null)])], 30],
  ])('is %s', (_what, keys, imagesPerMinute) => {
    const started = {
      startedPerMinute: { calls: 15, images: 30 },
      imagesWhileBusy: 30,
      busySince: NOW - 3_600_000,
      lastStartedAt: NOW,
    };
    expect(toLaneRate(lane(keys, started), NOW).imagesPerMinute).toBe(imagesPerMinute);
  });

  it('counts what was measured for a part of a minute in full', () => {
    // 30 s at one image a second, decayed.
    const images = 60 * (1 - Math.exp(-0.5));
    const started = { startedPerMinute: { calls: images, images }, imagesWhileBusy: images, busySince: NOW - 30_000 };
    const { imagesPerMinute } = toLaneRate(lane([key([])], started), NOW);
    expect(imagesPerMinute).toBeCloseTo(60);
  });

  const slow = {
    waiting: 300,
    startedPerMinute: { calls: 18, images: 18 },
    imagesWhileBusy: 18,
    busySince: NOW - 600_000,
    lastStartedAt: NOW - 1_000,
  };
  it.each<[string, Partial<LaneState>, number]>([
    ['what is sent while calls wait, and not the far higher limit: slots are short', {}, 19],
    ['the limit while nobody waits: what is sent is what was asked for', { waiting: 0 }, 1_500],
    ['the limit when calls have only just begun to wait', { busySince: NOW - 9_000 }, 1_500],
    ['next to nothing when nothing is sent', { imagesWhileBusy: 0 }, 1],
  ])('of 1,500 a minute is %s', (_what, changes, imagesPerMinute) => {
    const { imagesPerMinute: actual } = toLaneRate(lane([key([limit(1_500)])], { ...slow, ...changes }), NOW);
    expect(actual).toBeCloseTo(imagesPerMinute, 1);
  });

  it('is what it was before a stop, while that lasts', () => {
    // What was counted has decayed since the last start.
    const stopped = { imagesWhileBusy: 18 * Math.exp(-2), lastStartedAt: NOW - 120_000 };
    const state = lane([key([limit(1_500, null, NOW + 60_000)])], { ...slow, ...stopped });
    expect(toLaneRate(state, NOW).imagesPerMinute).toBeCloseTo(19, 1);
  });

  it.each<[string, number | null, number]>([
    ['nothing was ever started', null, 30],
    ['it has just begun', NOW - 9_000, 30],
    ['it has long been idle', NOW - 900_000, 0.4],
  ])('is not known when no limit is and %s', (_when, since, calls) => {
    const started = { startedPerMinute: { calls, images: calls }, imagesWhileBusy: calls, busySince: since };
    expect(toLaneRate(lane([key([])], started), NOW)).toMatchObject({ imagesPerMinute: null, imagesPerCall: 1 });
  });

  it.each<[string, LaneState, number | null]>([
    ['now', lane([key([limit(60)])]), NOW],
    ['when the stop ends', lane([key([limit(60, null, NOW + 9_000), limit(60)])]), NOW + 9_000],
    ['when the first of several keys goes on', lane([key([limit(60, null, NOW + 9_000)]), key([limit(60)])]), NOW],
    ['when what is used up of a limit has come back', lane([key([limit(60), usedUpUntil(NOW + 7_000)])]), NOW + 7_000],
    ['when the lane’s rest is over', lane([key([limit(60)])], { restingUntil: NOW + 4_000 }), NOW + 4_000],
    ['nobody knows when, while every key is paused', lane([key([limit(60)], true)]), null],
  ])('holds from %s', (_when, state, startsAt) => {
    expect(toLaneRate(state, NOW).startsAt).toBe(startsAt);
  });

  it('is not known where a key beside others has no known limit, until some is measured', () => {
    expect(toLaneRate(lane([key([limit(50)]), key([limit(null)])]), NOW).imagesPerMinute).toBeNull();
    expect(toLaneRate(lane([]), NOW).imagesPerMinute).toBeNull();
  });

  it('holds from then on by this process’ clock, however far off that is', () => {
    const rate = toLaneRate(lane([key([limit(60, null, NOW + 9_000)])]), NOW - 3_600_000);
    expect(expectedWaitSeconds(rate, 0, NOW - 3_600_000)).toBe(9);
  });
});

it('starts nobody knows when while a worker finds the image storage away', () => {
  expect(toLaneRate(lane([key([limit(60)])], { isStorageAway: true }), NOW).startsAt).toBe(null);
});

const RATE = { imagesPerMinute: 60, imagesPerCall: 2, startsAt: NOW };

describe('the wait', () => {
  it.each([
    ['nothing for the next call', RATE, 0, 0],
    ['images ahead by rate', RATE, 15, 30],
    ['and the rest of a stop', { ...RATE, startsAt: NOW + 10_500 }, 15, 41],
    [
      'that rest alone for the next call, whatever the rate',
      { ...RATE, imagesPerMinute: null, startsAt: NOW + 500 },
      0,
      1,
    ],
    ['not known without a rate', { ...RATE, imagesPerMinute: null }, 1, null],
    ['not known while every key is paused', { ...RATE, startsAt: null }, 0, null],
  ])('is %s', (_what, rate, ahead, seconds) => {
    expect(expectedWaitSeconds(rate, ahead, NOW)).toBe(seconds);
  });
});

describe('when a full lane has room', () => {
  const most = { lane: 100, account: 50 };
  it.each([
    ['after as many calls as are too many', { limit: 'lane', open: { lane: 100, account: 4 } }, 30, RATE, 60],
    ['of an account: by its share', { limit: 'account', open: { lane: 100, account: 50 } }, 30, RATE, 120],
    ['after the stop', { limit: 'lane', open: { lane: 100, account: 4 } }, 1, { ...RATE, startsAt: NOW + 60_000 }, 62],
    [
      'is told 30 s where no rate is known',
      { limit: 'lane', open: { lane: 100, account: 4 } },
      1,
      { ...RATE, imagesPerMinute: null },
      30,
    ],
    [
      'and while all keys are paused',
      { limit: 'lane', open: { lane: 100, account: 4 } },
      1,
      { ...RATE, startsAt: null },
      30,
    ],
    ['an hour at the most', { limit: 'lane', open: { lane: 100_000, account: 4 } }, 1, RATE, 3_600],
    [
      'a second at the least',
      { limit: 'lane', open: { lane: 100, account: 4 } },
      1,
      { ...RATE, imagesPerMinute: 9_000 },
      1,
    ],
  ] as const)('%s', (_when, full, calls, rate, seconds) => {
    expect(retryAfterSeconds(full, calls, most, rate, NOW)).toBe(seconds);
  });
});
