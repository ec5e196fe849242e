import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonWeight } from './json-weight.ts';

const weightOf = (text: string, enough = Number.POSITIVE_INFINITY): number => jsonWeight(Buffer.from(text), enough);

describe('jsonWeight', () => {
  it.each([
    ['', 0],
    ['[1,2]', 5],
    ['"猫猫猫"', 2],
    ['{"a":"bbb"}', 7],
    [String.raw`"a\"b"`, 3],
    [String.raw`"a\\",1`, 4],
    [String.raw`"a\\\"b",1`, 5],
    ['"never closed', 1],
  ])('of %s is %i', (text, weight) => {
    expect(weightOf(text)).toBe(weight);
  });

  it('grows with every value, and never with the length of a string', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (strings) => {
        const escaped = strings.join('').split('"').length - 1;
        expect(weightOf(JSON.stringify(strings))).toBe(Math.max(2, 3 * strings.length + 1) + escaped);
      }),
    );
  });

  it('stops counting when it is enough', () => {
    expect(weightOf(`[${'"",'.repeat(1_000)}""]`, 10)).toBeLessThan(15);
  });
});
