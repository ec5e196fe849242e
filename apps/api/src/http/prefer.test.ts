import { describe, expect, it } from 'vitest';
import { parsePrefer, parseWait } from './prefer.ts';

describe('parsePrefer', () => {
  it.each<[string | undefined, number, string | null]>([
    [undefined, 0, null],
    ['', 0, null],
    ['wait=10', 10, 'wait=10'],
    ['Wait = "10"', 10, 'wait=10'],
    ['wait=0', 1, 'wait=1'],
    ['wait=100000', 600, 'wait=600'],
    ['wait=-1', 0, null],
    ['wait=1.5', 0, null],
    ['wait', 0, null],
    ['respond-async', 0, 'respond-async'],
    ['respond-async, wait=10', 10, 'respond-async, wait=10'],
    ['return=minimal; foo="x", wait=7; bar', 7, 'wait=7'],
    ['nonsense, ,=', 0, null],
  ])('reads %j', (header, waitSeconds, applied) => {
    expect(parsePrefer(header)).toEqual({
      waitSeconds,
      isAsync: applied?.startsWith('respond-async') ?? false,
      applied,
    });
  });
});

describe('parseWait', () => {
  it.each<[string | null, number]>([
    [null, 0],
    ['1', 1],
    ['600', 600],
  ])('reads %j', (text, seconds) => {
    expect(parseWait(text)).toBe(seconds);
  });

  it.each(['', '0', '601', '-1', '1.5', 'abc', '1e2', ' 5', '00001'])('refuses %j', (text) => {
    expect(() => parseWait(text)).toThrow(/'wait' must be a whole number of seconds from 1 to 600/);
  });
});
