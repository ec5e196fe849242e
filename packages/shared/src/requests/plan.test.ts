import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planCalls } from './plan.ts';

const n = fc.integer({ min: 1, max: 10 });
const imagesPerCall = fc.integer({ min: 1, max: 10 });
const imagesPerMinute = fc.option(
  fc.oneof(fc.integer({ min: 0, max: 20 }), fc.double({ min: 0, max: 20, noNaN: true })),
);

describe('planCalls', () => {
  test('makes every image exactly once, in order, calls numbered from 0', () => {
    fc.assert(
      fc.property(n, imagesPerCall, imagesPerMinute, (images, perCall, perMinute) => {
        const calls = planCalls({ n: images, imagesPerCall: perCall }, perMinute);
        expect(calls.flatMap((call) => call.images)).toEqual(Array.from({ length: images }, (_, i) => i));
        expect(calls.map((call) => call.index)).toEqual(calls.map((_, i) => i));
      }),
    );
  });

  test('never puts more into a call than the models or the told limit allow, nor an empty call', () => {
    fc.assert(
      fc.property(n, imagesPerCall, imagesPerMinute, (images, perCall, perMinute) => {
        for (const call of planCalls({ n: images, imagesPerCall: perCall }, perMinute)) {
          expect(call.images.length).toBeGreaterThan(0);
          expect(call.images.length).toBeLessThanOrEqual(perCall);
          // Below one image a minute a call of one is still the smallest there is.
          if (perMinute !== null) expect(call.images.length).toBeLessThanOrEqual(Math.max(1, perMinute));
        }
      }),
    );
  });

  test('makes as few calls as those limits allow', () => {
    fc.assert(
      fc.property(n, imagesPerCall, imagesPerMinute, (images, perCall, perMinute) => {
        const most = Math.max(1, Math.floor(Math.min(perCall, perMinute ?? perCall)));
        expect(planCalls({ n: images, imagesPerCall: perCall }, perMinute)).toHaveLength(Math.ceil(images / most));
      }),
    );
  });

  test.each([
    [4, 1, undefined, [[0], [1], [2], [3]]],
    [4, 10, undefined, [[0, 1, 2, 3]]],
    [
      10,
      10,
      4,
      [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
      ],
    ],
    [2, 10, null, [[0, 1]]],
  ])('n %j, %j a call, %j a minute', (images, perCall, perMinute, expected) => {
    expect(planCalls({ n: images, imagesPerCall: perCall }, perMinute).map((call) => call.images)).toEqual(expected);
  });
});
