import { describe, expect, test } from 'vitest';
import { type Observation, observe, parseGoDurationMs } from './observation.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const headers = (entries: Record<string, string>): Headers => new Headers(entries);

describe('durations', () => {
  test.each([
    ['1ms', 1],
    ['120ms', 120],
    ['1s', 1_000],
    ['58.891s', 58_891],
    ['6m0s', 360_000],
    ['1h2m3s', 3_723_000],
    ['51.84 seconds', 51_840],
    ['20', 20_000],
    ['soon', null],
    ['', null],
  ])('%j is %j ms', (text, ms) => {
    expect(parseGoDurationMs(text)).toBe(ms);
  });
});

describe('how long to wait', () => {
  test.each<[string, Record<string, string>, string, number | null]>([
    ['retry-after-ms comes first', { 'retry-after-ms': '534', 'retry-after': '1' }, '', 534],
    ['retry-after in seconds', { 'retry-after': '12' }, '', 12_000],
    ['retry-after as a date', { 'retry-after': 'Sun, 22 Nov 2026 12:00:30 GMT' }, '', 30_000],
    ['a date that has passed is no wait', { 'retry-after': 'Sun, 22 Nov 2026 11:00:00 GMT' }, '', 0],
    [
      'the message, when no header says it',
      {},
      'Limit 5, Used 5, Requested 1. Please try again in 6m0s. Visit …',
      360_000,
    ],
    ['the older message', {}, 'please slow down and try again after 51.84 seconds.', 51_840],
    ['zero seconds', {}, 'retry after 0.0 seconds', 0],
    ['nothing said', {}, 'Rate limit exceeded', null],
    ['nonsense in the header', { 'retry-after': 'later' }, '', null],
  ])('%s', (_, entries, message, ms) => {
    expect(observe(headers(entries), message, NOW).retryAfterMs).toBe(ms);
  });
});

describe('limits', () => {
  test('are read from the headers, modern and older', () => {
    const modern = observe(
      headers({
        'x-ratelimit-limit-input-images': '250',
        'x-ratelimit-limit-requests': '500',
        'x-ratelimit-limit-tokens': '30000',
      }),
      '',
      NOW,
    );
    expect(modern.limits).toEqual({ images: 250, requests: 500, tokens: 30_000 });
    expect(observe(headers({ 'x-ratelimit-limit-images': '5' }), '', NOW).limits).toEqual({ images: 5 });
  });

  test.each([
    [
      'Rate limit reached for gpt-image-2-codex (for limit gpt-image) in organization org-x on input-images per min: Limit 4000, Used 4000, Requested 1. Please try again in 15ms.',
      { limits: { images: 4_000 }, limit: 4_000, requested: 1, retryAfterMs: 15 },
    ],
    [
      'Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29446, Requested 821. Please try again in 534ms.',
      { limits: { tokens: 30_000 }, limit: 30_000, requested: 821, retryAfterMs: 534 },
    ],
    [
      'Rate limit exceeded for images per minute in organization org-x. Limit: 5/1min. Current: 6/1min. Please visit …',
      { limits: { images: 5 }, limit: 5, requested: null },
    ],
    [
      'Rate limit exceeded for images per minute in organization org-x. Limit: 0/1min. Current: 1/1min.',
      { limits: {}, limit: 0 },
    ],
  ])('are read from the message %j', (message, facts) => {
    expect(observe(headers({}), message, NOW)).toMatchObject(facts);
  });

  test.each<[string, Partial<Observation>]>([
    [
      'Rate limit reached for gpt-image-2-codex (for limit gpt-image) in organization org-x on input-images per min: Limit 4000, Used 4000, Requested 1.',
      { limitName: 'gpt-image', refusedKind: 'images' },
    ],
    [
      'Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29446, Requested 821.',
      { limitName: null, refusedKind: 'tokens' },
    ],
    [
      'Rate limit reached on requests per min (RPM). Please slow down.',
      { limitName: null, refusedKind: 'requests', limits: {} },
    ],
    ['Limit: 5/1min for images per minute', { refusedKind: 'images' }],
    ['You’ve exceeded the rate limit, please slow down.', { limitName: null, refusedKind: null }],
    ['(for limit a b:c) on requests per min: Limit 5', { limitName: null }],
    ['', { limitName: null, refusedKind: null }],
  ])('what ran out, and the name of a shared limit, are read from %j', (message, facts) => {
    expect(observe(headers({}), message, NOW)).toMatchObject(facts);
  });

  test('what is left is read beside its limit alone, zero included', () => {
    const left = observe(
      headers({
        'x-ratelimit-limit-input-images': '250',
        'x-ratelimit-remaining-input-images': '0',
        'x-ratelimit-limit-requests': '500',
        'x-ratelimit-remaining-requests': 'many',
        'x-ratelimit-remaining-tokens': '7',
      }),
      '',
      NOW,
    );
    expect(left.remaining).toEqual({ images: 0 });
  });

  test('of zero or worse in a header are no limits', () => {
    expect(
      observe(headers({ 'x-ratelimit-limit-requests': '0', 'x-ratelimit-limit-tokens': '-1' }), '', NOW).limits,
    ).toEqual({});
  });
});
