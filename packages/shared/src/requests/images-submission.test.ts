import { describe, expect, test } from 'vitest';
import { validateImagesRequest } from './images-submission.ts';
import { imageOf, inputsOf } from './test-inputs.ts';

const context = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
  webhooks: { urlProblem: () => null, secretProblem: null },
} as const;

const paramsOf = (
  ...[operation, body, inputs]: [Parameters<typeof validateImagesRequest>[0], unknown, ReturnType<typeof inputsOf>?]
) => {
  const checked = validateImagesRequest(operation, body, context, inputs ?? null);
  return checked.ok ? [] : checked.problems.map(({ code, param }) => [code, param]);
};

describe('a body of /v1/images', () => {
  test('is OpenAI’s own; its job goes first', () => {
    const checked = validateImagesRequest('generation', { prompt: 'x', response_format: 'url', n: null }, context);
    expect(checked.ok && checked.submission).toMatchObject({
      request: { operation: 'generation', input: { prompt: 'x', response_format: 'url' }, responseFormat: 'url' },
      priority: 'high',
      webhook: null,
      metadata: {},
      expiresAfterSeconds: 86_400,
      onUnknown: null,
      dryRun: false,
    });
    expect(checked.ok && checked.submission.request.warnings).not.toContain(
      'response_format has no effect on /v1/jobs: images come as links',
    );
  });

  test('may hold the envelope’s fields, which are no part of the input', () => {
    const envelope = {
      webhook: { url: 'https://example.com/h', events: ['job.failed'] },
      metadata: { order: '42', none: null },
      priority: 'low',
      expires_after: 60,
      on_unknown: 'fail',
    };
    const checked = validateImagesRequest('generation', { prompt: 'x', ...envelope }, context);
    expect(checked.ok && checked.submission).toMatchObject({
      request: { input: { prompt: 'x' } },
      webhook: { url: 'https://example.com/h', events: ['job.failed'] },
      metadata: { order: '42' },
      priority: 'low',
      expiresAfterSeconds: 60,
      onUnknown: 'fail',
    });
    expect(checked.ok && Object.keys(checked.submission.request.input)).toEqual(['prompt']);
  });

  test('names references by their own names, and images of forms by theirs', () => {
    const body = { prompt: 'x', images: [{ file_id: 'file-1' }] };
    const checked = validateImagesRequest('edit', body, context);
    expect(checked.ok && checked.submission.request.references?.images[0]?.param).toBe('images[0]');
    const wrong = inputsOf({ mask: imageOf('mask', { width: 1 }) });
    expect(paramsOf('edit', { prompt: 'x' }, wrong)).toEqual([['invalid_mask_image_format', 'mask']]);
  });

  test.each([
    ['a plan', { prompt: 'x', dry_run: false }, [['unsupported_parameter', 'dry_run']]],
    ['an unknown choice', { prompt: 'x', on_unknown: 'ask' }, [['invalid_value', 'on_unknown']]],
    [
      'the shape of a job',
      { operation: 'generation', input: { prompt: 'x' } },
      [
        ['missing_required_parameter', 'prompt'],
        ['unknown_parameter', 'operation'],
        ['unknown_parameter', 'input'],
      ],
    ],
    [
      'several problems',
      { prompt: '', priority: 'urgent', metadata: 7 },
      [
        ['string_below_min_length', 'prompt'],
        ['invalid_value', 'priority'],
        ['invalid_type', 'metadata'],
      ],
    ],
    ['a list', [], [['invalid_type', null]]],
    ['nothing', null, [['invalid_type', null]]],
  ])('is refused: %s', (_, body, problems) => {
    expect(paramsOf('generation', body)).toEqual(problems);
  });
});
