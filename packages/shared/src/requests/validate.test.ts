import { describe, expect, test } from 'vitest';
import type { ValidateContext } from './validate.ts';
import { validateRequest } from './validate.ts';

const context: ValidateContext = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
};

function problemsOf(input: unknown, changes: Partial<ValidateContext> = {}) {
  const checked = validateRequest('generation', input, { ...context, ...changes });
  return checked.ok ? [] : checked.problems.map(({ code, param, message }) => [code, param, message]);
}

function requestOf(input: unknown, changes: Partial<ValidateContext> = {}) {
  const checked = validateRequest('generation', input, { ...context, ...changes });
  return checked.ok ? checked.request : expect.fail(checked.problems.map(({ message }) => message).join('\n'));
}

describe('problems', () => {
  const long = `x${'y'.repeat(200)}`;

  test.each([
    [{}, 'missing_required_parameter', 'prompt', "Missing required parameter: 'prompt'."],
    [{ prompt: null }, 'missing_required_parameter', 'prompt', "Missing required parameter: 'prompt'."],
    [
      { prompt: '' },
      'string_below_min_length',
      'prompt',
      "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty string instead.",
    ],
    [
      { prompt: 'x'.repeat(40_000) },
      'string_above_max_length',
      'prompt',
      "Invalid 'prompt': string too long. Expected a string with maximum length 32000, but got a string with length 40000 instead.",
    ],
    [
      { prompt: 'x', n: '4' },
      'invalid_type',
      'n',
      "Invalid type for 'n': expected an integer, but got a string instead.",
    ],
    [
      { prompt: 'x', n: 1.5 },
      'invalid_type',
      'n',
      "Invalid type for 'n': expected an integer, but got a decimal number instead.",
    ],
    [
      { prompt: 'x', n: 11 },
      'integer_above_max_value',
      'n',
      "Invalid 'n': integer above maximum value. Expected a value <= 10, but got 11 instead.",
    ],
    [
      { prompt: 'x', n: 0 },
      'integer_below_min_value',
      'n',
      "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead.",
    ],
    [
      { prompt: 'x', sise: '1024x1024' },
      'unknown_parameter',
      'sise',
      "Unknown parameter: 'sise'. Did you mean 'size'?",
    ],
    [{ prompt: 'x', foo_bar_baz: 1 }, 'unknown_parameter', 'foo_bar_baz', "Unknown parameter: 'foo_bar_baz'."],
    [
      { prompt: 'x', [long]: 1 },
      'unknown_parameter',
      `${long.slice(0, 100)}…`,
      `Unknown parameter: '${long.slice(0, 100)}…'.`,
    ],
    [
      { prompt: 'x', model: 'gpt-image-2', style: 'vivid' },
      'unknown_parameter',
      'style',
      "Unknown parameter: 'style'. It is not supported by 'gpt-image-2'.",
    ],
    [
      { prompt: 'x', mask: {} },
      'unknown_parameter',
      'mask',
      "Unknown parameter: 'mask'. It belongs to the operation 'edit', not to 'generation'.",
    ],
    [
      { prompt: 'x', image: 'x' },
      'unknown_parameter',
      'image',
      "Unknown parameter: 'image'. It belongs to the operations 'edit' and 'variation', not to 'generation'.",
    ],
    [
      { prompt: 'x', input_fidelity: 'high' },
      'unknown_parameter',
      'input_fidelity',
      "Unknown parameter: 'input_fidelity'. It belongs to the operation 'edit', not to 'generation'.",
    ],
    [
      { prompt: 'x', model: 'gpt-image-2', quality: 'standard' },
      'invalid_value',
      'quality',
      "Invalid value: 'standard'. Supported values are: 'low', 'medium', 'high', and 'auto'.",
    ],
    [
      { prompt: 'x', model: 'gpt-image-2', quality: 3 },
      'invalid_type',
      'quality',
      "Invalid type for 'quality': expected one of 'low', 'medium', 'high', or 'auto', but got an integer instead.",
    ],
    [
      { prompt: 'x', model: 'gpt-image-1.5', size: '1254x836' },
      'invalid_value',
      'size',
      "Invalid value: '1254x836'. Supported values are: '1024x1024', '1024x1536', '1536x1024', and 'auto'.",
    ],
    [
      { prompt: 'x', size: '1792x936' },
      'invalid_value',
      'size',
      "Invalid size '1792x936'. Width and height must both be divisible by 16.",
    ],
    [
      { prompt: 'x', size: 'big' },
      'invalid_value',
      'size',
      "Invalid size 'big'. Expected 'auto' or a width and height in pixels, such as '1024x1024'.",
    ],
    [
      { prompt: 'x', background: 'transparent', output_format: 'jpeg' },
      'invalid_value',
      'background',
      "Invalid 'background': 'transparent' is only supported with output_format 'png' or 'webp', but output_format is 'jpeg'.",
    ],
    [
      { prompt: 'x', output_compression: 80 },
      'invalid_value',
      'output_compression',
      "Invalid 'output_compression': it is only supported with output_format 'jpeg' or 'webp', but output_format is 'png'.",
    ],
    [
      { prompt: 'x', model: 'gpt-image-3' },
      'model_not_found',
      'model',
      "The model 'gpt-image-3' does not exist. Did you mean 'gpt-image-1', 'gpt-image-2', or 'gpt-image-1.5'?",
    ],
    [
      { prompt: 'x', model: 7 },
      'invalid_type',
      'model',
      "Invalid type for 'model': expected a string, but got an integer instead.",
    ],
  ])('%#: %.80j', (input, code, param, message) => {
    expect(problemsOf(input)).toEqual([[code, param, message]]);
  });

  test.each([
    ['stream', true],
    ['partial_images', 2],
  ])('%s is refused, not ignored', (field, value) => {
    expect(problemsOf({ prompt: 'x', [field]: value })).toEqual([
      ['unsupported_parameter', field, expect.stringContaining('Streamed images are not available')],
    ]);
  });

  test.each([[[]], ['x'], [7], [null], [undefined]])('a body of %j is no request', (body) => {
    expect(problemsOf(body)).toMatchObject([['invalid_type', null, expect.stringContaining('expected an object')]]);
  });

  test('are all found at once', () => {
    const input = {
      model: 'gpt-image-9',
      promt: 'x',
      n: 0,
      size: '1x1',
      quality: 7,
      stream: 'no',
      mask: 1,
      style: 'loud',
    };
    const params = problemsOf(input).map(([, param]) => param);
    expect(params).toEqual(['model', 'prompt', 'promt', 'n', 'size', 'quality', 'stream', 'mask', 'style']);
  });

  test('of fields are those no model has, as long as the model is a typo', () => {
    const input = {
      model: 'dalle-3',
      prompt: 'x',
      style: 'vivid',
      quality: 'hd',
      svg: { model: 7 },
      output_format: 'svg',
    };
    expect(problemsOf(input).map(([, param]) => param)).toEqual(['model', 'svg.model']);
  });

  test('a field named like a property of every object is unknown', () => {
    const body: unknown = JSON.parse('{"prompt":"x","__proto__":{"n":1},"constructor":1}');
    expect(problemsOf(body).map(([code, param]) => [code, param])).toEqual([
      ['unknown_parameter', '__proto__'],
      ['unknown_parameter', 'constructor'],
    ]);
  });
});

describe('a live model', () => {
  test('gets the fields as given, without n, nulls and Darkroom’s own', () => {
    const input = {
      model: 'gpt-image-2-2026-04-21',
      prompt: 'a cat',
      n: 3,
      size: '1536x864',
      quality: 'low',
      background: null,
      stream: false,
      partial_images: 0,
      response_format: 'url',
      user: 'u',
    };
    expect(requestOf(input)).toEqual({
      operation: 'generation',
      sentAs: 'generation',
      requestedModel: 'gpt-image-2-2026-04-21',
      model: 'gpt-image-2-2026-04-21',
      lane: 'gpt-image-2',
      input: {
        model: 'gpt-image-2-2026-04-21',
        prompt: 'a cat',
        n: 3,
        size: '1536x864',
        quality: 'low',
        stream: false,
        partial_images: 0,
        response_format: 'url',
        user: 'u',
      },
      body: { model: 'gpt-image-2-2026-04-21', prompt: 'a cat', size: '1536x864', quality: 'low', user: 'u' },
      n: 3,
      imagesPerCall: 10,
      outputFormat: 'png',
      downscaleTo: null,
      responseFormat: 'url',
      estimateMicroUsd: 3 * 120 * 30 + 40,
      warnings: [],
      references: null,
      needsMaskFromImage: false,
    });
  });

  test('is the default one when none is named', () => {
    expect(requestOf({ prompt: 'x', model: null, quality: 'low', size: '1024x1024' })).toMatchObject({
      requestedModel: null,
      model: 'gpt-image-2.6-flare',
      lane: 'gpt-image-2.6-flare',
      body: { model: 'gpt-image-2.6-flare' },
      n: 1,
      responseFormat: null,
      warnings: [],
    });
  });

  test('names the most an open price can come to', () => {
    const most = (input: object) => requestOf({ prompt: 'x', ...input });
    expect(most({})).toMatchObject({
      estimateMicroUsd: null,
      warnings: ["cost of quality 'auto' and size 'auto' is known only afterwards; at most $0.711605"],
    });
    expect(most({ model: 'gpt-image-2', n: 2, size: '1024x1024' }).warnings).toEqual([
      "cost of quality 'auto' is known only afterwards; at most $0.42151",
    ]);
    expect(most({ quality: 'low' }).warnings).toEqual([expect.stringContaining("cost of size 'auto' is")]);
  });

  test('preview access and unconfirmed transparency are told, the upstream decides', () => {
    const gif = requestOf({ prompt: 'x', output_format: 'gif', frame_count: 4, n: 2 });
    expect(gif).toMatchObject({ outputFormat: 'gif', imagesPerCall: 10, estimateMicroUsd: null });
    expect(gif.warnings).toEqual([
      "output_format gif needs OpenAI's preview access for gpt-image-2.6-flare",
      'the price of this request is not known for gpt-image-2.6-flare',
    ]);
    const transparent = { prompt: 'x', background: 'transparent', quality: 'low', size: '1024x1024' };
    expect(requestOf({ ...transparent, model: 'gpt-image-2' }).warnings).toEqual([
      'transparent background (preview) may be refused by gpt-image-2',
    ]);
    expect(requestOf({ ...transparent, model: 'gpt-image-2.5-flare' }).warnings).toEqual([]);
  });

  test('an SVG goes one image a call', () => {
    expect(requestOf({ prompt: 'x', output_format: 'svg', n: 3 })).toMatchObject({
      n: 3,
      imagesPerCall: 1,
      outputFormat: 'svg',
    });
  });

  test('near its end is used untouched, with a warning', () => {
    const input = { model: 'gpt-image-1.5-2025-12-16', prompt: 'x', quality: 'low', size: '1024x1024' };
    for (const modelPolicy of ['translate', 'strict', 'passthrough'] as const) {
      expect(requestOf(input, { modelPolicy })).toMatchObject({
        model: 'gpt-image-1.5-2025-12-16',
        body: input,
        warnings: ['gpt-image-1.5 shuts down on 2026-12-01; use gpt-image-2.6-sunburst'],
      });
    }
    expect(requestOf(input, { now: Date.parse('2026-10-31') }).warnings).toEqual([]);
    expect(requestOf(input, { now: Date.parse('2026-11-01') }).warnings).toHaveLength(1);
  });
});

describe('an unknown model', () => {
  const allowed = { allowUnknownModels: true, variationPrompt: 'Vary it.' };

  test('passes with the union of current rules when allowed', () => {
    const input = { model: 'gpt-image-3', prompt: 'x', size: '3840x2160', quality: 'max', complexity: 'low' };
    expect(requestOf(input, allowed)).toMatchObject({
      model: 'gpt-image-3',
      lane: 'other',
      body: input,
      imagesPerCall: 10,
      estimateMicroUsd: null,
      warnings: ['the price of this request is not known for gpt-image-3'],
    });
  });

  test('does not get what only retired models took', () => {
    const params = problemsOf(
      { model: 'gpt-image-3', prompt: 'x', quality: 'hd', style: 'vivid', size: '256x256' },
      allowed,
    );
    expect(params.map(([, param]) => param)).toEqual(['quality', 'style', 'size']);
  });

  test('is refused as default model too', () => {
    expect(problemsOf({ prompt: 'x' }, { defaultModel: 'gpt-image-3' })).toMatchObject([
      ['model_not_found', 'model', expect.any(String)],
    ]);
  });

  test('that is like no other lists those that answer', () => {
    expect(problemsOf({ model: 'midjourney', prompt: 'x' })).toMatchObject([
      [
        'model_not_found',
        'model',
        expect.stringMatching(
          /^The model 'midjourney' does not exist\. Known models: 'gpt-image-1-mini', .*, and 'gpt-image-2\.6-flare'\.$/,
        ),
      ],
    ]);
  });
});
