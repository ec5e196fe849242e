// MODEL_POLICY: what becomes of a request for a retired model.
import { describe, expect, test } from 'vitest';
import { planCalls } from './plan.ts';
import type { ValidateContext } from './validate.ts';
import { validateRequest } from './validate.ts';

const translate: ValidateContext = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
};
const strict: ValidateContext = { ...translate, modelPolicy: 'strict' };
const passthrough: ValidateContext = { ...translate, modelPolicy: 'passthrough' };

function requestOf(input: object, context: ValidateContext) {
  const checked = validateRequest('generation', { prompt: 'a cat', ...input }, context);
  return checked.ok ? checked.request : expect.fail(checked.problems.map(({ message }) => message).join('\n'));
}

function problemsOf(input: object, context: ValidateContext) {
  const checked = validateRequest('generation', { prompt: 'a cat', ...input }, context);
  return checked.ok ? [] : checked.problems.map(({ code, param, message }) => [code, param, message]);
}

describe('translate', () => {
  test('the request of the contract', () => {
    const input = { model: 'dall-e-3', prompt: 'a white siamese cat', n: 4, size: '1792x1024', quality: 'hd' };
    const request = requestOf({ ...input, style: 'vivid', response_format: 'url', user: 'u1' }, translate);
    expect(request).toMatchObject({
      requestedModel: 'dall-e-3',
      model: 'gpt-image-2.6-sunburst',
      lane: 'gpt-image-2.6-sunburst',
      input: { ...input, style: 'vivid', response_format: 'url', user: 'u1' },
      n: 4,
      imagesPerCall: 1,
      responseFormat: 'url',
      estimateMicroUsd: 4 * (1_243 * 30 + 11 * 5),
    });
    expect(request.body).toEqual({
      model: 'gpt-image-2.6-sunburst',
      prompt: 'a white siamese cat',
      size: '1792x1024',
      quality: 'high',
      safety_identifier: 'u1',
    });
    expect(request.warnings).toEqual([
      'model dall-e-3 was retired on 2026-05-12 and was translated to gpt-image-2.6-sunburst',
      "quality 'hd' was translated to 'high' for gpt-image-2.6-sunburst",
      'style is not supported by gpt-image-2.6-sunburst and was dropped',
      'user was sent as safety_identifier to gpt-image-2.6-sunburst',
    ]);
    expect(planCalls(request)).toHaveLength(4);
  });

  test('what was left out stays what it was: the old defaults are sent where the new ones differ', () => {
    const request = requestOf({ model: 'dall-e-2' }, translate);
    expect(request.body).toEqual({
      model: 'gpt-image-2.6-flare',
      prompt: 'a cat',
      size: '1024x1024',
      quality: 'medium',
    });
    expect(request.warnings).toContain(
      "quality 'standard' (the default of dall-e-2) was translated to 'medium' for gpt-image-2.6-flare",
    );
    expect(requestOf({ model: 'gpt-image-1' }, translate).body).toEqual({
      model: 'gpt-image-2.6-flare',
      prompt: 'a cat',
    });
  });

  test.each([
    ['256x256', { width: 256, height: 256 }],
    ['512x512', { width: 512, height: 512 }],
    ['1024x1024', null],
  ])('%s of dall-e-2 is made at 1024x1024 and scaled to %j', (size, downscaleTo) => {
    expect(requestOf({ model: 'dall-e-2', size }, translate)).toMatchObject({
      downscaleTo,
      body: { size: '1024x1024' },
    });
  });

  test.each([
    ['dall-e-2', {}, 'gpt-image-2.6-flare', 10],
    ['dall-e-3', {}, 'gpt-image-2.6-flare', 1],
    ['dall-e-3', { quality: 'standard' }, 'gpt-image-2.6-flare', 1],
    ['dall-e-3', { quality: 'hd' }, 'gpt-image-2.6-sunburst', 1],
    ['gpt-image-1', { quality: 'high' }, 'gpt-image-2.6-flare', 10],
  ])('%s %j calls %s with %j images a call', (model, input, called, imagesPerCall) => {
    expect(requestOf({ model, ...input }, translate)).toMatchObject({
      model: called,
      imagesPerCall,
      requestedModel: model,
    });
  });

  test.each([
    { quality: 'high' },
    { quality: 'max' },
    { size: '1536x1024' },
    { size: 'auto' },
    { prompt: '🐱'.repeat(10_000) },
    { background: 'transparent' },
    { output_format: 'webp', output_compression: 50 },
    { moderation: 'low' },
    { safety_identifier: 'id' },
    { n: 10 },
  ])('guides mix old and new: dall-e-3 with %.60j is sent as given', (input) => {
    const { n: _, ...sent } = { n: 0, ...input };
    expect(requestOf({ model: 'dall-e-3', ...input }, translate).body).toMatchObject(sent);
  });

  test('what neither model takes is refused, with the values of both', () => {
    const input = { model: 'dall-e-3', quality: 'ultra', style: 'loud', size: '512x512', n: 11, complexity: 'x' };
    expect(problemsOf(input, translate)).toMatchObject([
      [
        'invalid_value',
        'quality',
        expect.stringContaining("'standard', 'hd', 'low', 'medium', 'high', 'xhigh', 'max', and 'auto'"),
      ],
      ['invalid_value', 'style', expect.stringContaining("'vivid' and 'natural'")],
      ['invalid_value', 'size', expect.stringMatching(/^Invalid size '512x512'\. Width times height must be at least/)],
      ['integer_above_max_value', 'n', expect.stringContaining('<= 10')],
      ['invalid_value', 'complexity', expect.stringContaining("'low', 'medium', and 'high'")],
    ]);
    expect(problemsOf({ model: 'dall-e-2', style: 'vivid' }, translate)).toEqual([
      [
        'unknown_parameter',
        'style',
        "Unknown parameter: 'style'. It is not supported by 'dall-e-2' or 'gpt-image-2.6-flare'.",
      ],
    ]);
  });

  test('user keeps its name where the new field could not hold it, and yields to a safety_identifier', () => {
    const long = 'u'.repeat(200);
    expect(requestOf({ model: 'dall-e-3', user: long }, translate).body).toMatchObject({ user: long });
    const both = requestOf({ model: 'dall-e-3', user: 'u', safety_identifier: 's' }, translate);
    expect(both.body).toMatchObject({ safety_identifier: 's' });
    expect(both.body).not.toHaveProperty('user');
    expect(both.warnings).toContain('user was dropped because safety_identifier was given too');
  });

  test('a model retires at midnight UTC, or when the upstream says so', () => {
    const input = { model: 'gpt-image-1.5-2025-12-16' };
    expect(requestOf(input, { ...translate, now: Date.parse('2026-12-01') - 1 }).model).toBe(
      'gpt-image-1.5-2025-12-16',
    );
    expect(requestOf(input, { ...translate, now: Date.parse('2026-12-01') }).warnings[0]).toBe(
      'model gpt-image-1.5 was retired on 2026-12-01 and was translated to gpt-image-2.6-sunburst',
    );
    const learned = requestOf(input, {
      ...translate,
      learned: { retired: new Set(['gpt-image-1.5']), shutdownDates: new Map() },
    });
    expect(learned).toMatchObject({ model: 'gpt-image-2.6-sunburst', requestedModel: 'gpt-image-1.5-2025-12-16' });
    expect(learned.warnings[0]).toBe('model gpt-image-1.5 is retired and was translated to gpt-image-2.6-sunburst');
  });

  describe('by a shutdown day the upstream told', () => {
    const told = (date: string, now: string): ValidateContext => ({
      ...translate,
      now: Date.parse(now),
      learned: { retired: new Set(), shutdownDates: new Map([['gpt-image-1.5', date]]) },
    });
    const input = { model: 'gpt-image-1.5' };
    const warned = (date: string) => `gpt-image-1.5 shuts down on ${date}; use gpt-image-2.6-sunburst`;

    test.each([
      ['31 days before', '2027-02-01', '2027-01-01T23:59:59.999Z', 'gpt-image-1.5', []],
      ['30 days before', '2027-02-01', '2027-01-02', 'gpt-image-1.5', [warned('2027-02-01')]],
      ['the moment before', '2027-02-01', '2027-01-31T23:59:59.999Z', 'gpt-image-1.5', [warned('2027-02-01')]],
      [
        'on the day',
        '2027-02-01',
        '2027-02-01',
        'gpt-image-2.6-sunburst',
        ['model gpt-image-1.5 was retired on 2027-02-01 and was translated to gpt-image-2.6-sunburst'],
      ],
      [
        'on an earlier day than the data says',
        '2026-11-25',
        '2026-11-25',
        'gpt-image-2.6-sunburst',
        ['model gpt-image-1.5 was retired on 2026-11-25 and was translated to gpt-image-2.6-sunburst'],
      ],
    ])('%s (%s at %s) it calls %s', (_, date, now, model, warnings) => {
      const request = requestOf({ ...input, quality: 'low', size: '1024x1024' }, told(date, now));
      expect(request.model).toBe(model);
      expect(request.warnings).toEqual(warnings);
    });

    test('strict refuses from that day on', () => {
      const context: ValidateContext = { ...told('2026-11-25', '2026-11-25'), modelPolicy: 'strict' };
      expect(problemsOf(input, context)).toEqual([
        [
          'model_retired',
          'model',
          "The model 'gpt-image-1.5' was retired on 2026-11-25. Use 'gpt-image-2.6-sunburst' instead.",
        ],
      ]);
      expect(problemsOf(input, { ...context, now: Date.parse('2026-11-24') })).toEqual([]);
    });
  });

  test('a retired default model is translated as well', () => {
    expect(requestOf({}, { ...translate, defaultModel: 'dall-e-3' })).toMatchObject({
      requestedModel: null,
      model: 'gpt-image-2.6-flare',
    });
  });
});

describe('strict', () => {
  test.each([
    ['dall-e-3', 'hd', "The model 'dall-e-3' was retired on 2026-05-12. Use 'gpt-image-2.6-sunburst' instead."],
    ['dall-e-2', 'standard', "The model 'dall-e-2' was retired on 2026-05-12. Use 'gpt-image-2.6-flare' instead."],
    ['gpt-image-1', 'low', "The model 'gpt-image-1' was retired on 2026-10-23. Use 'gpt-image-2.6-flare' instead."],
  ])('refuses %s and names the replacement', (model, quality, message) => {
    expect(problemsOf({ model, quality }, strict)).toEqual([['model_retired', 'model', message]]);
  });

  test('shows the other problems too', () => {
    expect(problemsOf({ model: 'dall-e-3', n: 0 }, strict).map(([, param]) => param)).toEqual(['model', 'n']);
  });
});

describe('passthrough', () => {
  test('sends fields as given, fanned out by the model’s own rules, and asks for the bytes', () => {
    const input = { model: 'dall-e-3', prompt: 'a cat', size: '1792x1024', quality: 'hd', style: 'natural', user: 'u' };
    const request = requestOf({ ...input, n: 4, response_format: 'url' }, passthrough);
    expect(request).toMatchObject({ model: 'dall-e-3', lane: 'dall-e-3', n: 4, imagesPerCall: 1, downscaleTo: null });
    expect(request).toMatchObject({ estimateMicroUsd: 480_000, responseFormat: 'url', warnings: [] });
    expect(request.body).toEqual({ ...input, response_format: 'b64_json' });
  });

  test('keeps small sizes and what was left out', () => {
    expect(requestOf({ model: 'dall-e-2', size: '256x256', n: 10 }, passthrough)).toMatchObject({
      body: { model: 'dall-e-2', prompt: 'a cat', size: '256x256', response_format: 'b64_json' },
      imagesPerCall: 10,
      downscaleTo: null,
    });
  });

  test('never sends response_format to a GPT image model', () => {
    const body = requestOf({ model: 'gpt-image-1', response_format: 'url' }, passthrough).body;
    expect(body).toEqual({ model: 'gpt-image-1', prompt: 'a cat' });
  });
});
