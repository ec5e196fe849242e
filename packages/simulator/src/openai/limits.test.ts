import { describe, expect, test } from 'vitest';
import { formatGoDuration } from './go-duration.ts';
import { findModel, type Model } from './models.ts';
import { gaugeHeaders, refusalOf } from './rate-limit-replies.ts';
import { type Limits, RateLimiter } from './rate-limiter.ts';
import type { LimitTelling } from './settings.ts';
import { TokenBucket } from './token-bucket.ts';

const model = (id: string) => findModel(id) as Model;
const weights = (images: number, tokens = 0) => ({ images, requests: 1, tokens });

test.each([
  [0, '0ms'],
  [0.4, '1ms'],
  [534, '534ms'],
  [1000, '1s'],
  [58_891, '58.891s'],
  [360_000, '6m0s'],
  [3_723_000, '1h2m3s'],
])('%d ms is written %s', (ms, text) => {
  expect(formatGoDuration(ms)).toBe(text);
});

describe('a bucket', () => {
  test('starts full, fills evenly and never over its limit', () => {
    const bucket = new TokenBucket(60, 0);
    bucket.take(60, 0);
    expect([bucket.available(0), bucket.available(1000), bucket.available(600_000)]).toEqual([0, 1, 60]);
    expect([bucket.waitMs(5, 0), bucket.resetMs(30_000)]).toEqual([5000, 30_000]);
  });

  test('says a minute for what it can never give', () => {
    expect(new TokenBucket(5, 0).waitMs(6, 0)).toBe(60_000);
    expect(new TokenBucket(0, 0).waitMs(1, 0)).toBe(60_000);
  });
});

describe('a bucket of five seconds', () => {
  test('holds no more, however long it is left alone', () => {
    const bucket = new TokenBucket(60, 0, 5);
    expect(bucket.allows(5, 0)).toBe(true);
    bucket.take(5, 0);
    expect([bucket.allows(1, 999), bucket.allows(1, 1000), bucket.available(600_000)]).toEqual([false, true, 5]);
  });

  test('admits a heavier request when it is full, and is in debt after it', () => {
    const bucket = new TokenBucket(60, 0, 5);
    expect([bucket.allows(10, 0), bucket.allows(61, 0)]).toEqual([true, false]);
    bucket.take(10, 0);
    expect([bucket.available(0), bucket.waitMs(1, 0), bucket.waitMs(10, 0)]).toEqual([-5, 6000, 10_000]);
  });
});

describe('the limiter', () => {
  const limits: Limits = { 'gpt-image-2.5': { images_per_minute: 6 }, 'gpt-image-2': { requests_per_minute: 2 } };

  test('lets exactly the limit through, weighs n images as n, and admits again when it said', () => {
    const limiter = new RateLimiter(limits);
    expect(limiter.admit(model('gpt-image-2.5-flare'), weights(4), 0).admitted).toBe(true);
    const refused = limiter.admit(model('gpt-image-2.5-sunburst'), weights(4), 0);
    expect(refused).toMatchObject({ admitted: false, waitMs: 20_000, requested: 4 });
    expect(limiter.admit(model('gpt-image-2.5-sunburst'), weights(4), 19_999).admitted).toBe(false);
    expect(limiter.admit(model('gpt-image-2.5-sunburst'), weights(4), 20_000).admitted).toBe(true);
  });

  test('takes nothing from any bucket when one of them refuses', () => {
    const limiter = new RateLimiter({ 'gpt-image-2': { images_per_minute: 10, tokens_per_minute: 100 } });
    expect(limiter.admit(model('gpt-image-2'), weights(8, 101), 0).admitted).toBe(false);
    expect(limiter.admit(model('gpt-image-2'), weights(10, 100), 0).admitted).toBe(true);
  });

  test('over a long run admits the limit and the first full bucket, no more', () => {
    const limiter = new RateLimiter({ 'gpt-image-2': { images_per_minute: 30 } });
    let admitted = 0;
    for (let now = 0; now < 600_000; now += 100) {
      if (limiter.admit(model('gpt-image-2'), weights(1), now).admitted) admitted += 1;
    }
    expect(admitted).toBeGreaterThanOrEqual(328);
    expect(admitted).toBeLessThanOrEqual(330);
  });

  test('over a long run admits the limit and what its buckets hold, no more', () => {
    const limiter = new RateLimiter({ 'gpt-image-2': { images_per_minute: 30 } }, 10);
    let admitted = 0;
    for (let now = 0; now < 600_000; now += 100) {
      if (limiter.admit(model('gpt-image-2'), weights(1), now).admitted) admitted += 1;
    }
    expect([303, 304, 305]).toContain(admitted);
  });

  test('a model without limits is never refused and gets no headers', () => {
    const limiter = new RateLimiter(limits);
    const admission = limiter.admit(model('dall-e-3'), weights(1), 0);
    expect(admission).toEqual({ admitted: true, gauges: [] });
  });

  test('a limit given for a snapshot holds for the model', () => {
    const limiter = new RateLimiter({ 'gpt-image-2-2026-04-21': { images_per_minute: 1 } });
    limiter.admit(model('gpt-image-2'), weights(1), 0);
    expect(limiter.admit(model('gpt-image-2'), weights(1), 0).admitted).toBe(false);
  });
});

describe('refusals', () => {
  const refuse = (id: string, limits: Limits, images: number, telling?: LimitTelling) => {
    const limiter = new RateLimiter(limits);
    limiter.admit(model(id), weights(1), 0);
    const refused = limiter.admit(model(id), weights(images), 0);
    if (refused.admitted) throw new Error('was admitted');
    return refusalOf(model(id), id, refused, telling);
  };

  test('of a shared limit name it', () => {
    const error = refuse('gpt-image-2.6-flare', { 'gpt-image-2.6': { images_per_minute: 1 } }, 1);
    expect(error.message).toMatch(
      /^Rate limit reached for gpt-image-2\.6-flare \(for limit gpt-image-2\.6\) in organization org-\S+ on input-images per min: Limit 1, Used 1, Requested 1\. Please try again in 1m0s\. Visit https:\/\/platform\.openai\.com\/account\/rate-limits to learn more\.$/,
    );
    expect(error.headers).toMatchObject({
      'retry-after': '60',
      'retry-after-ms': '60000',
      'x-ratelimit-limit-input-images': '1',
      'x-ratelimit-remaining-input-images': '0',
      'x-ratelimit-reset-input-images': '1m0s',
    });
  });

  test.each([
    ['message', /Limit 1, Used 1, Requested 1\. Please try again in 1m0s/, ['retry-after', 'retry-after-ms']],
    ['wait', /^You've exceeded the rate limit, please slow down and try again after 60\.00 seconds\.$/, []],
  ] as const)('tell no more than set: %s', (telling, message, headers) => {
    const error = refuse('gpt-image-2', { 'gpt-image-2': { images_per_minute: 1 } }, 1, telling);
    expect(error.message).toMatch(message);
    expect(Object.keys(error.headers)).toEqual(headers);
  });

  test('of DALL-E count in whole seconds and speak of images', () => {
    const error = refuse('dall-e-3', { 'dall-e-3': { images_per_minute: 7 } }, 7);
    expect(error.body.error).toMatchObject({ type: 'requests', code: 'rate_limit_exceeded' });
    expect(error.message).toContain('Limit: 7/1min. Current: 8/1min.');
    expect(error.headers).toMatchObject({ 'x-ratelimit-limit-images': '7', 'x-ratelimit-reset-images': '9' });
  });

  test('requests and tokens have headers of their own', () => {
    const limiter = new RateLimiter({ 'gpt-image-2': { requests_per_minute: 500, tokens_per_minute: 30_000 } });
    const { gauges } = limiter.admit(model('gpt-image-2'), weights(1, 600), 0);
    expect(gaugeHeaders(model('gpt-image-2'), gauges)).toEqual({
      'x-ratelimit-limit-requests': '500',
      'x-ratelimit-remaining-requests': '499',
      'x-ratelimit-reset-requests': '120ms',
      'x-ratelimit-limit-tokens': '30000',
      'x-ratelimit-remaining-tokens': '29400',
      'x-ratelimit-reset-tokens': '1.2s',
    });
  });
});
