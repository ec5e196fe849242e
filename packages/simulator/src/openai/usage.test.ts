import { describe, expect, test } from 'vitest';
import type { ImageRequest } from './image-request.ts';
import { latencyMs } from './latency.ts';
import { findModel, type Model, models } from './models.ts';
import { resolveRequest } from './resolve.ts';
import { costUsd, outputTokensPerImage, usageOf } from './usage.ts';

function request(model: string, changes: Partial<ImageRequest> = {}) {
  return resolveRequest({
    operation: 'generation',
    model: findModel(model) as Model,
    requestedModel: model,
    prompt: 'a white cat',
    n: 1,
    size: '1024x1024',
    quality: 'high',
    background: 'auto',
    outputFormat: 'png',
    outputCompression: 100,
    responseFormat: 'b64_json',
    safetyIdentifier: null,
    inputs: [],
    mask: null,
    ...changes,
  });
}

const tables = models.flatMap((model) =>
  Object.entries(model.outputTokens?.table ?? {}).flatMap(([size, counts]) =>
    Object.entries(counts).map(([quality, tokens]) => [model.id, size, quality, tokens] as const),
  ),
);

test.each(tables)('%s %s %s makes %i output tokens', (model, size, quality, tokens) => {
  expect(outputTokensPerImage(request(model, { size, quality }))).toBe(tokens);
});

test('a prompt of 11 characters is 3 tokens and an overhead of 6; images count each', () => {
  expect(usageOf(request('gpt-image-2'), 2)).toEqual({
    total_tokens: 9 + 14_048,
    input_tokens: 9,
    output_tokens: 14_048,
    input_tokens_details: { text_tokens: 9, image_tokens: 0 },
    output_tokens_details: { text_tokens: 0, image_tokens: 14_048 },
  });
});

describe('input images', () => {
  const image = (width: number, height: number) => {
    return { bytes: Buffer.alloc(0), mimeType: 'image/png', width, height, hasAlpha: false };
  };
  test.each([
    ['gpt-image-1.5', 512, 512, 194],
    ['gpt-image-1.5', 1024, 1024, 65 + 4 * 129],
    ['gpt-image-2', 1024, 1024, 1024],
    ['gpt-image-2', 512, 256, 512],
    ['gpt-image-2', 4000, 4000, 1536],
  ])('%s counts %i x %i as %i tokens', (model, width, height, tokens) => {
    const usage = usageOf(request(model, { operation: 'edit', inputs: [image(width, height)] }), 1);
    expect(usage.input_tokens_details.image_tokens).toBe(tokens);
  });
});

test.each([
  ['dall-e-2', '256x256', 'standard', 0.016],
  ['dall-e-3', '1792x1024', 'hd', 0.12],
  ['gpt-image-1', '1024x1024', 'high', 0.1664],
  ['gpt-image-1-mini', '1024x1024', 'high', 0.036],
  ['chatgpt-image-latest', '1024x1024', 'medium', 0.034],
  ['gpt-image-2', '1024x1024', 'high', 0.211],
  ['gpt-image-2.6-flare', '1024x1024', 'medium', 0.013],
])('%s %s %s costs about $%d', (model, size, quality, usd) => {
  expect(costUsd(request(model, { size, quality }), 1)).toBeCloseTo(usd, 3);
});

test.each([
  ['a wide panorama', '1536x1024'],
  ['a portrait of a dog', '1024x1536'],
  ['a cat', '1024x1024'],
])('auto for "%s" becomes %s', (prompt, size) => {
  expect(request('gpt-image-2', { prompt, size: 'auto', quality: 'auto' })).toMatchObject({
    size,
    quality: 'medium',
    background: 'opaque',
  });
});

test('an edit of auto size keeps the shape of its input', () => {
  const inputs = [{ bytes: Buffer.alloc(0), mimeType: 'image/png', width: 300, height: 800, hasAlpha: false }];
  expect(request('gpt-image-2', { operation: 'edit', size: 'auto', inputs }).size).toBe('1024x1536');
});

test('latency grows with quality, size and count, and lies within 5 s and 3 min', () => {
  const low = latencyMs(request('gpt-image-2.6-flare', { quality: 'low' }), 0.5);
  const max = latencyMs(request('gpt-image-2.6-sunburst', { quality: 'max', size: '3840x2160' }), 0.5);
  expect(low).toBe(6000);
  expect(max).toBeGreaterThan(60_000);
  expect(latencyMs(request('gpt-image-2', { n: 10 }), 0)).toBeLessThan(60_000);
});
