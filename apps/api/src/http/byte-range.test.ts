import { describe, expect, it } from 'vitest';
import { matchesEtag, parseByteRange } from './byte-range.ts';

describe('parseByteRange of 10 bytes', () => {
  it.each([
    ['bytes=0-3', { start: 0, end: 3 }],
    ['bytes=5-', { start: 5, end: 9 }],
    ['bytes=5-500', { start: 5, end: 9 }],
    ['bytes=-3', { start: 7, end: 9 }],
    ['bytes=-50', { start: 0, end: 9 }],
    [' bytes=9-9 ', { start: 9, end: 9 }],
  ])('%s is a part', (header, range) => {
    expect(parseByteRange(header, 10)).toEqual(range);
  });

  it.each([undefined, '', 'bytes=', 'bytes=-', 'bytes=3-1', 'bytes=a-b', 'items=0-1', 'bytes=0-1,3-4'])(
    '%s is ignored',
    (header) => {
      expect(parseByteRange(header, 10)).toBe('whole');
    },
  );

  it.each(['bytes=10-', 'bytes=10-20', 'bytes=-0'])('%s cannot be satisfied', (header) => {
    expect(parseByteRange(header, 10)).toBe('unsatisfiable');
  });
});

describe('matchesEtag', () => {
  it.each<[string | undefined, boolean]>([
    ['"a"', true],
    ['W/"a"', true],
    ['"b", "a"', true],
    ['*', true],
    ['"b"', false],
    ['a', false],
    [undefined, false],
  ])('%s → %s', (header, matches) => {
    expect(matchesEtag(header, '"a"')).toBe(matches);
  });
});
