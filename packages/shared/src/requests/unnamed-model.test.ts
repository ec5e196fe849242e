// Requests that name no model: the default's rules hold, and under `translate` what such requests said in DALL·E's days.
import { describe, expect, test } from 'vitest';
import type { Operation } from '../models/rules.ts';
import { type ValidateContext, validateRequest } from './validate.ts';

const translate: ValidateContext = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
};
const CAT = { prompt: 'a cat' };
const ONE = { images: [{ file_id: 'file-1' }] };

function requestOf(operation: Operation, input: object, context = translate) {
  const checked = validateRequest(operation, input, context);
  return checked.ok ? checked.request : expect.fail(checked.problems.map(({ message }) => message).join('\n'));
}

describe('a request that names no model', () => {
  test('is the default model’s when that takes it: nothing old is sent', () => {
    const request = requestOf('generation', { ...CAT, size: '1024x1024' });
    expect(request.body).toEqual({ model: 'gpt-image-2.6-flare', ...CAT, size: '1024x1024' });
    expect(request).toMatchObject({ requestedModel: null, responseFormat: null, warnings: expect.any(Array) });
  });

  test.each([
    [
      'a size of old is drawn larger, scaled down and delivered as a link',
      { size: '512x512' },
      { width: 512, height: 512 },
    ],
    ['a quality of old is translated', { quality: 'standard' }, null],
  ])('%s', (_, old, downscaleTo) => {
    const request = requestOf('generation', { ...CAT, ...old });
    expect(request.body).toEqual({ model: 'gpt-image-2.6-flare', ...CAT, size: '1024x1024', quality: 'medium' });
    expect(request).toMatchObject({ requestedModel: null, responseFormat: 'url', downscaleTo });
    expect(request.warnings.join()).not.toContain('retired');
  });

  test('means DALL·E 2 for a variation: no other model ever had them', () => {
    const request = requestOf('variation', { ...ONE, n: 2, size: '256x256' });
    expect(request).toMatchObject({
      requestedModel: null,
      sentAs: 'edit',
      responseFormat: 'url',
      downscaleTo: { width: 256, height: 256 },
      body: { model: 'gpt-image-2.6-flare', prompt: 'Vary it.', size: '1024x1024' },
    });
    expect(requestOf('variation', { ...ONE, response_format: 'b64_json' }).responseFormat).toBe('b64_json');
  });

  test('is refused by the default’s rules when neither takes it', () => {
    const checked = validateRequest('generation', { ...CAT, size: '300x300' }, translate);
    const messages = checked.ok ? [] : checked.problems.map(({ message }) => message);
    expect(messages).toEqual([expect.stringMatching(/^Invalid size '300x300'/)]);
  });

  test('is DALL·E 2’s where a provider still serves its variations', () => {
    const request = requestOf('variation', { ...ONE, size: '256x256' }, { ...translate, modelPolicy: 'passthrough' });
    expect(request).toMatchObject({
      requestedModel: null,
      model: 'dall-e-2',
      sentAs: 'variation',
      responseFormat: 'url',
    });
    expect(request).toMatchObject({ downscaleTo: null, body: { model: 'dall-e-2', size: '256x256' } });
  });

  test.each(['strict', 'passthrough'] as const)('has the default’s values alone under %s', (modelPolicy) => {
    expect(validateRequest('generation', { ...CAT, size: '512x512' }, { ...translate, modelPolicy }).ok).toBe(false);
  });
});
