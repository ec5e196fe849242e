import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { outputTokensOf } from './output-price.ts';
import { actualMicroUsd, estimateMicroUsd, upperBoundMicroUsd } from './price.ts';
import { findModel, MODELS } from './rules.ts';

const rulesOf = (id: string) => findModel(id) ?? expect.fail(`no rules of ${id}`);

describe('output tokens (openai-images.md 6.3)', () => {
  const grown = ['low', 'medium', 'high', 'xhigh', 'max'];
  const first = ['gpt-image-1', 'gpt-image-1.5'];
  const later = ['gpt-image-2.5-sunburst', 'gpt-image-2.5-flare', 'gpt-image-2.6-sunburst', 'gpt-image-2.6-flare'];
  const documented: [models: string[], size: string, tokens: number[]][] = [
    [first, '1024x1024', [272, 1056, 4160]],
    [first, '1024x1536', [408, 1584, 6240]],
    [first, '1536x1024', [400, 1568, 6208]],
    [['gpt-image-2'], '1024x1024', [196, 1756, 7024]],
    [['gpt-image-2'], '1536x1024', [158, 1372, 5488]],
    [['gpt-image-2'], '1024x1536', [158, 1372, 5488]],
    [['gpt-image-2'], '1792x1024', [139, 1243, 5063]],
    [['gpt-image-2'], '1024x1792', [139, 1243, 5063]],
    [['gpt-image-2'], '2048x2048', [397, 3568, 14272]],
    [['gpt-image-2'], '2048x1152', [157, 1413, 5650]],
    [['gpt-image-2'], '3840x2160', [371, 3336, 13342]],
    [later, '1024x1024', [196, 439, 1756, 3122, 7024]],
    [later, '1536x1024', [158, 343, 1372, 2459, 5488]],
    [later, '1792x1024', [139, 323, 1243, 2271, 5063]],
    [later, '1024x1792', [139, 323, 1243, 2271, 5063]],
    [later, '2048x2048', [397, 892, 3568, 6343, 14272]],
    [later, '2048x1152', [157, 367, 1413, 2511, 5650]],
    [later, '3840x2160', [371, 865, 3336, 5930, 13342]],
  ];
  const rows = documented.flatMap(([models, size, tokens]) => models.map((model) => [model, size, tokens] as const));

  test.each(rows)('%s %s: %j', (model, size, tokens) => {
    expect(grown.slice(0, tokens.length).map((quality) => outputTokensOf(rulesOf(model), quality, size))).toEqual(
      tokens,
    );
  });

  test('are not made up for models whose counts nobody published', () => {
    expect(outputTokensOf(rulesOf('gpt-image-1-mini'), 'low', '1024x1024')).toBeNull();
    expect(outputTokensOf(rulesOf('chatgpt-image-latest'), 'low', '1024x1024')).toBeNull();
  });
});

describe('estimates', () => {
  // USD of one image from the price lists of openai-images.md 6.2 and 6.3, given to a tenth of a cent.
  const lists: [model: string, quality: string, size: string, usd: number][] = [
    ['dall-e-2', 'standard', '256x256', 0.016],
    ['dall-e-2', 'standard', '512x512', 0.018],
    ['dall-e-2', 'standard', '1024x1024', 0.02],
    ['dall-e-3', 'standard', '1024x1024', 0.04],
    ['dall-e-3', 'standard', '1792x1024', 0.08],
    ['dall-e-3', 'hd', '1024x1024', 0.08],
    ['dall-e-3', 'hd', '1024x1792', 0.12],
    ['gpt-image-1', 'low', '1024x1024', 0.011],
    ['gpt-image-1', 'medium', '1536x1024', 0.063],
    ['gpt-image-1', 'high', '1024x1536', 0.25],
    ['gpt-image-1-mini', 'low', '1024x1024', 0.005],
    ['gpt-image-1-mini', 'high', '1536x1024', 0.052],
    ['gpt-image-1.5', 'low', '1024x1536', 0.013],
    ['gpt-image-1.5', 'medium', '1536x1024', 0.05],
    ['gpt-image-1.5', 'high', '1536x1024', 0.199],
    ['chatgpt-image-latest', 'medium', '1024x1024', 0.034],
    ['gpt-image-2', 'low', '1024x1024', 0.006],
    ['gpt-image-2', 'medium', '1024x1024', 0.053],
    ['gpt-image-2', 'high', '1024x1024', 0.211],
    ['gpt-image-2.5-flare', 'medium', '1024x1024', 0.013],
    ['gpt-image-2.5-sunburst', 'xhigh', '1024x1024', 0.094],
    ['gpt-image-2.6-flare', 'high', '1024x1024', 0.053],
    ['gpt-image-2.6-sunburst', 'max', '1024x1024', 0.211],
  ];

  test.each(lists)('%s %s %s costs about $%d', (model, quality, size, usd) => {
    const estimate = estimateMicroUsd(model, { model, prompt: 'a cat', quality, size }, 1) ?? expect.fail();
    expect(Math.abs(estimate / 1e6 - usd)).toBeLessThan(0.00056);
  });

  const listed = MODELS.filter(({ outputTokens }) => outputTokens !== null).flatMap((rules) =>
    Object.entries(rules.prices.perImage ?? {}).flatMap(([quality, bySize]) =>
      Object.entries(bySize).map(([size, usd]) => [rules.id, quality, size, usd] as const),
    ),
  );

  test.each(listed)('the tokens of %s %s %s agree with the listed $%d', (model, quality, size, usd) => {
    const tokens = outputTokensOf(rulesOf(model), quality, size) ?? expect.fail();
    const byTokens = (tokens * (rulesOf(model).prices.perMillionTokens?.imageOutput ?? 0)) / 1e6;
    expect(Math.abs(byTokens - usd)).toBeLessThan(Math.max(0.0006, usd / 100));
  });

  test('count images, the prompt once, and round up at the end', () => {
    const body = { prompt: 'x'.repeat(41), quality: 'low', size: '1024x1024' };
    // 196 tokens of $30 each image; 11 + 6 tokens of $5 for the prompt.
    expect(estimateMicroUsd('gpt-image-2', body, 3)).toBe(3 * 196 * 30 + 17 * 5);
    // 0.005 USD each; 17 tokens of $2.
    expect(estimateMicroUsd('gpt-image-1-mini', body, 3)).toBe(3 * 5_000 + 34);
  });

  test.each([
    ['an unknown model', 'gpt-image-9', { quality: 'low', size: '1024x1024' }],
    ['quality auto', 'gpt-image-2', { quality: 'auto', size: '1024x1024' }],
    ['size auto', 'gpt-image-2', { quality: 'low' }],
    ['a preview format', 'gpt-image-2.6-flare', { quality: 'low', size: '1024x1024', output_format: 'gif' }],
    ['input images', 'gpt-image-2', { quality: 'low', size: '1024x1024', images: [] }],
    ['a size without a price', 'gpt-image-1-mini', { quality: 'low', size: '2048x2048' }],
    ['a quality that is none', 'gpt-image-2', { quality: 'constructor', size: '1024x1024' }],
  ])('are null for %s', (_, model, body) => {
    expect(estimateMicroUsd(model, { prompt: 'x', ...body }, 1)).toBeNull();
  });
});

describe('upper bounds', () => {
  test('auto counts as the dearest quality and size', () => {
    // Dearest free size: the square of 8,294,400 pixels, 23,719 tokens; 1 + 6 prompt tokens.
    expect(upperBoundMicroUsd('gpt-image-2.6-flare', { prompt: 'x' }, 1)).toBe(23_719 * 30 + 35);
    expect(upperBoundMicroUsd('gpt-image-1.5', { prompt: 'x' }, 1)).toBe(6_240 * 32 + 35);
    expect(upperBoundMicroUsd('gpt-image-1-mini', { prompt: 'x', size: '1024x1024' }, 1)).toBe(36_000 + 14);
  });

  test.each([
    ['an unknown model', 'gpt-image-9', {}],
    ['a preview format', 'gpt-image-2.6-flare', { output_format: 'svg' }],
  ])('are null for %s', (_, model, body) => expect(upperBoundMicroUsd(model, body, 1)).toBeNull());

  const size = fc.constantFrom('1024x1024', '1536x1024', '1024x1536', 'auto', '1792x1024', '2880x2880', '3840x2160');
  const quality = fc.constantFrom('low', 'medium', 'high', 'xhigh', 'max', 'auto', 'standard', 'hd');
  const model = fc.constantFrom(...MODELS.map(({ id }) => id));

  test('are never below an estimate, and never below what a more exact request is estimated at', () => {
    fc.assert(
      fc.property(model, size, quality, fc.string(), fc.integer({ min: 1, max: 10 }), (id, s, q, prompt, images) => {
        const estimate = estimateMicroUsd(id, { prompt, size: s, quality: q }, images);
        fc.pre(estimate !== null);
        expect(upperBoundMicroUsd(id, { prompt, size: s, quality: q }, images)).toBeGreaterThanOrEqual(estimate);
        const auto = rulesOf(id).quality.values.includes('auto') ? { prompt } : { prompt, size: s, quality: q };
        expect(upperBoundMicroUsd(id, auto, images)).toBeGreaterThanOrEqual(estimate);
      }),
    );
  });
});

describe('actual cost', () => {
  const split = (text: number, image: number) => ({ text_tokens: text, image_tokens: image });

  test('is what the contract shows for 60 tokens in and 3,729 out', () => {
    const usage = { input_tokens: 60, output_tokens: 3_729, total_tokens: 3_789 };
    expect(actualMicroUsd('gpt-image-2.6-sunburst', { prompt: 'x' }, 3, usage)).toBe(112_170);
  });

  test('charges text in, image in and image out at their own prices, and text out where it has one', () => {
    const usage = {
      input_tokens: 110,
      output_tokens: 1_020,
      input_tokens_details: split(10, 100),
      output_tokens_details: split(20, 1_000),
    };
    expect(actualMicroUsd('gpt-image-1.5', {}, 1, usage)).toBe(10 * 5 + 100 * 8 + 20 * 10 + 1_000 * 32);
    expect(actualMicroUsd('gpt-image-2', {}, 1, usage)).toBe(10 * 5 + 100 * 8 + 1_000 * 30);
  });

  test('rounds up once', () => {
    const usage = { output_tokens: 3, input_tokens: 3, input_tokens_details: split(0, 3) };
    expect(actualMicroUsd('gpt-image-1-mini', {}, 1, usage)).toBe(Math.ceil(3 * 8 + 3 * 2.5));
  });

  test('without a split, input of a call with images counts at the dearer price', () => {
    const usage = { input_tokens: 100, output_tokens: 0 };
    expect(actualMicroUsd('gpt-image-2', { images: [] }, 1, usage)).toBe(800);
    expect(actualMicroUsd('gpt-image-2', {}, 1, usage)).toBe(500);
  });

  test('comes from the price list where a model has no tokens', () => {
    expect(actualMicroUsd('dall-e-3', { quality: 'hd', size: '1792x1024' }, 1, null)).toBe(120_000);
    expect(actualMicroUsd('dall-e-2', {}, 3, null)).toBe(60_000);
    expect(actualMicroUsd('dall-e-2', {}, 0, null)).toBe(0);
  });

  test.each([
    ['an unknown model', 'gpt-image-9', {}, { input_tokens: 1, output_tokens: 1 }],
    ['no usage', 'gpt-image-2', {}, null],
    ['empty usage', 'gpt-image-2', {}, {}],
    ['half a usage', 'gpt-image-2', {}, { input_tokens: 10 }],
    ['counts that are none', 'gpt-image-2', {}, { input_tokens: -1, output_tokens: Number.NaN }],
    [
      'svg, charged in part elsewhere',
      'gpt-image-2.6-flare',
      { output_format: 'svg' },
      { input_tokens: 1, output_tokens: 1 },
    ],
  ])('is null for %s', (_, model, body, usage) => {
    expect(actualMicroUsd(model, body, 1, usage)).toBeNull();
  });
});
