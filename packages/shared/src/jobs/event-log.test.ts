import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BEGINNING, comparePositions, isPosition, positionBefore } from './event-log.ts';

const position = fc.tuple(fc.nat(2 ** 31), fc.nat(1_000)).map(([ms, seq]) => `${ms}-${seq}`);

describe('positions', () => {
  it('are ordered by time, then by number', () => {
    const ordered = ['0-0', '0-1', '9-0', '9-10', '10-2', '1795340377000-0', '1795340377000-11'];
    for (const [index, a] of ordered.entries()) {
      for (const [other, b] of ordered.entries())
        expect(Math.sign(comparePositions(a, b))).toBe(Math.sign(index - other));
    }
  });

  it('have one before them, after every smaller one', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        if (a === BEGINNING) return;
        const before = positionBefore(a);
        expect(isPosition(before)).toBe(true);
        expect(comparePositions(before, a)).toBeLessThan(0);
        if (comparePositions(b, a) < 0) expect(comparePositions(b, before)).toBeLessThanOrEqual(0);
      }),
    );
    expect(positionBefore(BEGINNING)).toBe(BEGINNING);
  });

  it.each(['', '1', '1-', '-1', '1-2-3', '1-0 ', 'evt_1', '٣-0', '1'.repeat(16) + '-0', '+', '$', '(1-0'])(
    'are not «%s»',
    (text) => {
      expect(isPosition(text)).toBe(false);
    },
  );
});
