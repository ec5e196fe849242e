import { describe, expect, test } from 'vitest';
import { LANES, MODELS } from './rules.ts';
import { toldImagesPerMinute, unusedLimits } from './told-limits.ts';

const TOLD = { images_per_minute: 10, burst_seconds: 5 };

describe('limits that are told', () => {
  test('hold by model or by family, the lower of both', () => {
    const limits = { 'gpt-image-2.6-flare': TOLD, 'gpt-image-2.6': { ...TOLD, images_per_minute: 7 } };
    expect(toldImagesPerMinute(limits, 'gpt-image-2.6-flare')).toBe(7);
    expect(toldImagesPerMinute(limits, 'gpt-image-2')).toBeNull();
  });

  test('of every model, family and of models nobody knows are used', () => {
    const names = [...LANES, ...MODELS.map(({ family }) => family)];
    expect(unusedLimits(Object.fromEntries(names.map((name) => [name, TOLD])))).toEqual([]);
  });

  test.each([
    ['gpt-image-2.6-flair', 'known: gpt-image-2.6-flare'],
    ['gpt-image-2-2026-04-21', 'known: gpt-image-2'], // a snapshot has its model's limits
    ['flux-schnell', 'known: dall-e-2, dall-e-3'],
  ])('of %s hold for no model, and what is known is said', (name, hint) => {
    const [sentence, ...more] = unusedLimits({ [name]: TOLD, 'gpt-image-2': TOLD });
    expect(more).toEqual([]);
    expect(sentence).toMatch(new RegExp(`^'${name}' is no model or family of the rules`));
    expect(sentence).toContain(hint);
  });
});
