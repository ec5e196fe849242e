import { describe, expect, it } from 'vitest';
import { allowedBetween, soonestMs } from './allowance.ts';

const steady = [{ fromMs: 0, perMinute: 300, capacity: 30 }];
const halved = [...steady, { fromMs: 100_000, perMinute: 150, capacity: 15 }];

describe('the soonest end', () => {
  it('is at once for what the bucket holds', () => {
    expect(soonestMs(steady, 30)).toBe(0);
  });

  it('is the time in which the rate brings the rest', () => {
    expect(soonestMs(steady, 1_000)).toBe(194_000);
  });

  it('counts both rates and both full buckets when the limit changes', () => {
    // 30 + 500 until then, 15 at once, the other 455 at 2.5 a second
    expect(soonestMs(halved, 1_000)).toBe(100_000 + 182_000);
  });

  it('takes no notice of a change after it', () => {
    expect(soonestMs(halved, 500)).toBe(94_000);
  });
});

describe('what is allowed', () => {
  it('is a full bucket and the rate', () => {
    expect(allowedBetween(steady, 1_000, 61_000)).toBe(330);
  });

  it('is all of the work at its soonest end', () => {
    expect(allowedBetween(halved, 0, soonestMs(halved, 1_000))).toBeCloseTo(1_000);
    expect(allowedBetween(halved, 0, soonestMs(halved, 500))).toBeCloseTo(500);
  });
});
