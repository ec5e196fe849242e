import { describe, expect, it } from 'vitest';
import { toLimitState } from './limit-state.ts';

const NOW = 1_795_340_000_000;
const AN_HOUR_AHEAD = String(NOW + 3_600_000);
/** Five seconds at once: a quarter of a second is kept back. */
const told = (fields: object) => ({ burst_seconds: 5.25, ...fields });

describe('what a limit allows', () => {
  it('is nothing known while nobody told and nothing was learned', () => {
    expect(toLimitState('other', {}, undefined, 0, NOW)).toEqual({
      name: 'other',
      rates: { images: null, requests: null, tokens: null },
      tokensPerImage: null,
      concurrency: { limit: null, inUse: 0, loweredTo: null },
      stoppedUntil: null,
    });
  });

  it.each([
    ['told alone', told({ images_per_minute: 120 }), {}, { limit: 120, source: 'told', available: 10 }],
    ['learned alone', undefined, { 'learned.images': '60' }, { limit: 60, source: 'learned', available: 4 }],
    [
      'the lower of both, told',
      told({ images_per_minute: 60 }),
      { 'learned.images': '120' },
      { limit: 60, source: 'told', available: 5 },
    ],
    [
      'the lower of both, learned',
      told({ images_per_minute: 120 }),
      { 'learned.images': '60' },
      { limit: 60, source: 'learned', available: 5 },
    ],
    [
      'told, when the lower one was learned a day ago',
      told({ images_per_minute: 120 }),
      { 'learned.images': '60', 'learnedAt.images': String(NOW - 86_400_000) },
      { limit: 120, source: 'told', available: 10 },
    ],
    [
      'the burst as told, less a quarter of a second',
      told({ images_per_minute: 60, burst_seconds: 20.25 }),
      {},
      { limit: 60, source: 'told', available: 20 },
    ],
    ['one at least', told({ images_per_minute: 6, burst_seconds: 0 }), {}, { limit: 6, source: 'told', available: 1 }],
    [
      'less what is taken: three seconds at one a second',
      told({ images_per_minute: 60 }),
      { 'tat.images': String(NOW + 3_000) },
      { limit: 60, source: 'told', available: 2 },
    ],
    [
      'none when more than the burst is taken',
      told({ images_per_minute: 60 }),
      { 'tat.images': String(NOW + 30_000) },
      { limit: 60, source: 'told', available: 0 },
    ],
    [
      'all when what was taken is long past',
      told({ images_per_minute: 60 }),
      { 'tat.images': String(NOW - 30_000) },
      { limit: 60, source: 'told', available: 5 },
    ],
    [
      'none while stopped',
      told({ images_per_minute: 60 }),
      { notBefore: String(NOW + 1) },
      { limit: 60, source: 'told', available: 0 },
    ],
    [
      'after a stop: what the upstream had promised by then, and what came since',
      told({ images_per_minute: 60 }),
      { notBefore: String(NOW - 2_000), 'room.images': '1', 'tat.images': String(NOW - 1_000) },
      { limit: 60, source: 'told', available: 3 },
    ],
    [
      'guessed after a 429 that named no limit',
      undefined,
      { 'working.images': '105', 'hint.images': '60' },
      { limit: 105, source: 'guessed', available: 8 },
    ],
    [
      'no guess where something is learned',
      undefined,
      { 'working.images': '100', 'hint.images': '60', 'learned.images': '60' },
      { limit: 60, source: 'learned', available: 4 },
    ],
  ])('%s', (_what, operator, bucket: Record<string, string>, rate) => {
    expect(toLimitState('m', bucket, operator, 0, NOW).rates.images).toMatchObject(rate);
  });

  it.each<[string, number, Record<string, string>]>([
    ['at once while there is room', -4_000, {}],
    ['when an image’s share has come back', 26_000, { 'tat.images': String(NOW + 30_000) }],
    ['at its rate after a stop', 9_000, { notBefore: String(NOW + 9_000), 'room.images': '1' }],
    ['soon, when a clock that was set back has left it emptied for an hour', 1_000, { 'tat.images': AN_HOUR_AHEAD }],
    ['and no stop then', 0, { notBefore: AN_HOUR_AHEAD, 'room.images': '1' }],
  ])('is free %s', (_what, inMs, bucket) => {
    const { images } = toLimitState('m', bucket, told({ images_per_minute: 60 }), 0, NOW).rates;
    expect(images?.freeAt).toBe(NOW + inMs);
  });

  it('knows how many tokens images took of late, and waits for as many', () => {
    const bucket = { 'recent.images': '2.5', 'recent.tokens': '10000', 'tat.tokens': String(NOW + 30_000) };
    const state = toLimitState('m', bucket, told({ tokens_per_minute: 240_000 }), 0, NOW);
    expect(state.tokensPerImage).toBe(4_000);
    expect(state.rates.tokens?.freeAt).toBe(NOW + 26_000);
  });

  it('is no guess any more once that is forgotten', () => {
    expect(toLimitState('m', { 'working.images': '105' }, undefined, 0, NOW).rates.images).toBeNull();
  });

  it('stops until a 429 said, and no longer', () => {
    expect(toLimitState('m', { notBefore: String(NOW + 1) }, undefined, 0, NOW).stoppedUntil).toBe(NOW + 1);
    expect(toLimitState('m', { notBefore: String(NOW) }, undefined, 0, NOW).stoppedUntil).toBeNull();
    expect(toLimitState('m', { notBefore: AN_HOUR_AHEAD }, undefined, 0, NOW).stoppedUntil).toBeNull();
  });

  it.each([
    ['just lowered', 8, 0, 8],
    ['not yet doubled', 8, 29_999, 8],
    ['doubled once', 8, 30_000, 16],
    ['doubled twice', 8, 60_000, 32],
    ['no longer binding', 8, 90_000, null],
    ['of nothing told, forgotten', 1, 300_000, null],
  ])('concurrency %s', (_what, cap, agoMs, loweredTo) => {
    const bucket = { slowCap: String(cap), slowAt: String(NOW - agoMs) };
    expect(toLimitState('m', bucket, told({ concurrency: 40 }), 3, NOW).concurrency).toEqual({
      limit: 40,
      inUse: 3,
      loweredTo,
    });
  });
});
