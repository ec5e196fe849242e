import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs } from './verdict.ts';

describe('backoff', () => {
  test('doubles its ceiling from 1 s to 60 s and spreads over all of it', () => {
    expect([1, 2, 3, 7, 50].map((failed) => backoffMs(failed, null, 1))).toEqual([1_000, 2_000, 4_000, 60_000, 60_000]);
    expect(backoffMs(3, null, 0)).toBe(0);
  });

  test('is never shorter than the upstream asked for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 0, max: 100_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failed, told, random) => {
          expect(backoffMs(failed, told, random)).toBeGreaterThanOrEqual(told);
        },
      ),
    );
  });
});
