import { describe, expect, test } from 'vitest';
import type { LearnedModels } from './learned.ts';
import { findModel, MIGRATION, MODELS } from './rules.ts';
import { downscaleOf, livingReplacementOf, renamedField, replacementOf, translateValue } from './translate.ts';

const rulesOf = (id: string) => findModel(id) ?? expect.fail(`no rules of ${id}`);
const now = Date.parse('2026-12-02');

describe('the replacement of a retired model', () => {
  test.each([
    ['dall-e-2', undefined, 'gpt-image-2.6-flare'],
    ['dall-e-3', undefined, 'gpt-image-2.6-flare'],
    ['dall-e-3', 'standard', 'gpt-image-2.6-flare'],
    ['dall-e-3', 'hd', 'gpt-image-2.6-sunburst'],
    ['gpt-image-1', undefined, 'gpt-image-2.6-flare'],
    ['gpt-image-1-mini', 'high', 'gpt-image-2.6-flare'],
    ['gpt-image-1.5', undefined, 'gpt-image-2.6-sunburst'],
    ['chatgpt-image-latest', undefined, 'gpt-image-2.6-sunburst'],
  ])('%s with quality %j is %s', (id, quality, replacement) => {
    expect(livingReplacementOf(rulesOf(id), quality, now)?.id).toBe(replacement);
  });

  test('is nothing for a model that needs none', () => {
    expect(replacementOf(rulesOf('gpt-image-2'))).toBeNull();
    expect(livingReplacementOf(rulesOf('gpt-image-2'), undefined, now)).toBeNull();
  });
});

describe('what the upstream told of models', () => {
  const told = (dates: Record<string, string>): LearnedModels => ({
    retired: new Set(),
    shutdownDates: new Map(Object.entries(dates)),
  });

  test('a replacement that has been shut down is none', () => {
    const learned = told({ 'gpt-image-2.6-sunburst': '2026-12-02' });
    expect(livingReplacementOf(rulesOf('gpt-image-1.5'), undefined, now - 1, learned)?.id).toBe(
      'gpt-image-2.6-sunburst',
    );
    expect(livingReplacementOf(rulesOf('gpt-image-1.5'), undefined, now, learned)).toBeNull();
  });
});

describe('every value of a retired model', () => {
  const cases = MODELS.filter(({ status }) => status !== 'live').flatMap((rules) =>
    [...rules.quality.values, undefined].map((quality) => ({
      rules,
      quality,
      target: replacementOf(rules, quality) ?? expect.fail(),
    })),
  );

  test.each(cases)('$rules.id $quality has a meaning on its replacement', ({ rules, target }) => {
    for (const value of rules.quality.values) {
      expect(target.quality.values).toContain(translateValue('quality', value, target));
    }
    for (const value of rules.size.values) expect(translateValue('size', value, target)).toMatch(/^(auto|1\d+x1\d+)$/);
  });
});

test('sizes depend on whether the replacement takes any size', () => {
  const anySize = rulesOf('gpt-image-2.6-flare');
  const listed = rulesOf('gpt-image-1.5');
  expect(translateValue('size', '1792x1024', anySize)).toBe('1792x1024');
  expect(translateValue('size', '1792x1024', listed)).toBe('1536x1024');
  expect(translateValue('size', '1024x1792', listed)).toBe('1024x1536');
  for (const small of ['256x256', '512x512']) {
    expect(translateValue('size', small, anySize)).toBe('1024x1024');
    expect(translateValue('size', small, listed)).toBe('1024x1024');
  }
  for (const size of Object.values(MIGRATION.size.listTargets)) expect(listed.size.values).toContain(size);
});

test('results asked at 256 or 512 pixels are scaled down, no others', () => {
  expect(downscaleOf('256x256')).toEqual({ width: 256, height: 256 });
  expect(downscaleOf('512x512')).toEqual({ width: 512, height: 512 });
  expect(['1024x1024', 'auto', undefined, 256].map(downscaleOf)).toEqual([null, null, null, null]);
});

test('values and fields nobody renamed stay as they are', () => {
  const target = rulesOf('gpt-image-2.6-flare');
  expect(translateValue('quality', 'low', target)).toBe('low');
  expect(translateValue('prompt', 'hd', target)).toBe('hd');
  expect(translateValue('output_compression', 50, target)).toBe(50);
  expect(renamedField('user')).toBe('safety_identifier');
  expect(renamedField('prompt')).toBeNull();
});
