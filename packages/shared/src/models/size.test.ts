import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RuleSize } from './rules.ts';
import { findModel, MODELS } from './rules.ts';
import { brokenSizeRules, parseSize } from './size.ts';

const flexible = MODELS.flatMap(({ size }) => (size.kind === 'rule' ? [size] : []));
const rule = findModel('gpt-image-2')?.size as RuleSize;

describe('parseSize', () => {
  test.each(['auto', '', '1024', '1024X1024', '1024x', '01024x1024', '0x16', '-16x16', ' 16x16', '1e3x16', '16.0x16'])(
    '%j is no size',
    (text) => expect(parseSize(text)).toBeNull(),
  );

  test('reads width and height', () => expect(parseSize('1536x864')).toEqual({ width: 1536, height: 864 }));
});

describe('the rule of free sizes', () => {
  test('is the same for every model that has it', () => {
    expect(flexible).toHaveLength(5);
    expect(flexible.every((size) => JSON.stringify(size) === JSON.stringify(rule))).toBe(true);
  });

  // Named in openai-images.md 2.3.
  test.each(['1024x1024', '1536x864', '1792x1024', '1024x1792', '2560x1440', '3840x2160', '2160x3840', '1440x480'])(
    '%s is allowed',
    (text) => expect(brokenSizeRules(rule, parseSize(text) ?? expect.fail())).toEqual([]),
  );

  test.each([
    ['1792x936', ['Width and height must both be divisible by 16.']],
    ['256x256', ['Width times height must be at least 655360 pixels, but is 65536.']],
    ['2048x640', ['The aspect ratio must be between 1:3 and 3:1.']],
    ['3856x2048', ['The longest edge must be at most 3840 pixels.']],
    ['3840x2176', ['Width times height must be at most 8294400 pixels, but is 8355840.']],
  ])('%s: %j', (text, broken) => {
    expect(brokenSizeRules(rule, parseSize(text) ?? expect.fail())).toEqual(broken);
  });

  test('names every part a size breaks', () => {
    expect(brokenSizeRules(rule, { width: 10_001, height: 10 })).toHaveLength(4);
  });

  test('says the same as the reference in words, for any size', () => {
    const edge = fc.oneof(
      fc.integer({ min: 1, max: 5_000 }),
      fc.integer({ min: 1, max: 320 }).map((k) => k * 16),
    );
    fc.assert(
      fc.property(edge, edge, (width, height) => {
        const divisible = (width / 16) % 1 === 0 && (height / 16) % 1 === 0;
        const aspect = width * 3 >= height && height * 3 >= width;
        const edges = width <= 3840 && height <= 3840;
        const area = width * height >= 655_360 && width * height <= 8_294_400;
        expect(brokenSizeRules(rule, { width, height }).length === 0).toBe(divisible && aspect && edges && area);
      }),
    );
  });
});
