import { describe, expect, test } from 'vitest';
import { ENVELOPE_FIELDS } from './envelope.ts';
import { allOf } from './inputs.ts';
import { validateSubmission } from './submission.ts';
import { imageOf, inputsOf } from './test-inputs.ts';
import type { ValidateContext } from './validate.ts';

const context: ValidateContext = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
  webhooks: {
    urlProblem: (url: string) => (url.startsWith('https:') ? null : 'must be an https URL'),
    secretProblem: null,
  },
};
const input = { prompt: 'a cat', quality: 'low', size: '1024x1024' };
const job = { operation: 'generation', input };

function submissionOf(body: unknown) {
  const checked = validateSubmission(body, context);
  return checked.ok ? checked.submission : expect.fail(checked.problems.map(({ message }) => message).join('\n'));
}

function problemsOf(body: unknown) {
  const checked = validateSubmission(body, context);
  return checked.ok ? [] : checked.problems.map(({ code, param }) => [code, param]);
}

describe('an accepted submission', () => {
  test('has defaults for all that was left out', () => {
    const { request, ...envelope } = submissionOf(job);
    expect(envelope).toEqual({
      webhook: null,
      metadata: {},
      priority: 'normal',
      expiresAfterSeconds: 86_400,
      onUnknown: null,
      dryRun: false,
    });
    expect(request).toMatchObject({ operation: 'generation', model: 'gpt-image-2.6-flare', input, warnings: [] });
  });

  test('keeps what was given', () => {
    const webhook = { url: 'https://example.com/hooks', events: ['job.failed'] };
    const given = {
      ...job,
      webhook,
      metadata: { order: '42' },
      priority: 'low',
      expires_after: 2_592_000,
      on_unknown: 'retry',
      dry_run: true,
    };
    expect(submissionOf(given)).toMatchObject({
      webhook,
      metadata: { order: '42' },
      priority: 'low',
      expiresAfterSeconds: 2_592_000,
      onUnknown: 'retry',
      dryRun: true,
    });
  });

  test('null is absent everywhere', () => {
    const nulls = Object.fromEntries([...ENVELOPE_FIELDS, 'nonsense'].map((name) => [name, null]));
    expect(submissionOf({ ...job, ...nulls })).toEqual(submissionOf(job));
    expect(submissionOf({ ...job, metadata: { a: null, b: '1' } }).metadata).toEqual({ b: '1' });
    expect(submissionOf({ ...job, input: { ...input, n: null, sise: null } })).toEqual(submissionOf(job));
  });

  test('response_format has no effect and says so', () => {
    const { request } = submissionOf({ ...job, input: { ...input, response_format: 'b64_json' } });
    expect(request.warnings).toEqual(['response_format has no effect on /v1/jobs: images come as links']);
    expect(request.body).not.toHaveProperty('response_format');
  });

  test('metadata may be as large as documented', () => {
    const pairs = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`key-${i}`, 'v'.repeat(400)]));
    expect(submissionOf({ ...job, metadata: pairs }).metadata).toEqual(pairs);
    expect(submissionOf({ ...job, metadata: { ['k'.repeat(64)]: '🐱'.repeat(512) } })).toBeDefined();
  });
});

describe('a refused submission', () => {
  const many = (count: number, value: string) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, value]));

  test.each([
    [[], [['invalid_type', null]]],
    ['x', [['invalid_type', null]]],
    [
      {},
      [
        ['missing_required_parameter', 'operation'],
        ['missing_required_parameter', 'input'],
      ],
    ],
    [{ ...job, operation: 'generate' }, [['invalid_value', 'operation']]],
    [{ ...job, operation: 7 }, [['invalid_type', 'operation']]],
    [{ ...job, operation: 'edit' }, [['missing_required_parameter', 'input.images']]],
    [
      { operation: 'variation', input: { prompt: 'x', images: [{ file_id: 'file-1', url: 'x' }] } },
      [
        ['unknown_parameter', 'input.prompt'],
        ['unknown_parameter', 'input.images[0].url'],
      ],
    ],
    [{ ...job, input: [] }, [['invalid_type', 'input']]],
    [{ ...job, input: null }, [['missing_required_parameter', 'input']]],
    [{ ...job, input: {} }, [['missing_required_parameter', 'input.prompt']]],
    [
      { ...job, input: { ...input, operation: 'x', priority: 'low' } },
      [
        ['unknown_parameter', 'input.operation'],
        ['unknown_parameter', 'input.priority'],
      ],
    ],
    [{ ...job, webhook: { url: 'ftp://example.com' } }, [['invalid_value', 'webhook.url']]],
    [{ ...job, webhook: { events: ['job.failed'] } }, [['missing_required_parameter', 'webhook.url']]],
    [{ ...job, on_unknown: 'ignore' }, [['invalid_value', 'on_unknown']]],
    [{ ...job, on_unknown: true }, [['invalid_type', 'on_unknown']]],
    [{ ...job, batch_id: 'batch_1' }, [['unknown_parameter', 'batch_id']]],
    [{ ...job, priority: 'urgent' }, [['invalid_value', 'priority']]],
    [{ ...job, priority: 1 }, [['invalid_type', 'priority']]],
    [{ ...job, expires_after: 0 }, [['integer_below_min_value', 'expires_after']]],
    [{ ...job, expires_after: 2_592_001 }, [['integer_above_max_value', 'expires_after']]],
    [{ ...job, expires_after: '60' }, [['invalid_type', 'expires_after']]],
    [{ ...job, dry_run: 'true' }, [['invalid_type', 'dry_run']]],
    [{ ...job, metadata: [] }, [['invalid_type', 'metadata']]],
    [
      { ...job, metadata: { a: 1, b: {} } },
      [
        ['invalid_type', 'metadata.a'],
        ['invalid_type', 'metadata.b'],
      ],
    ],
    [{ ...job, metadata: { a: 'v'.repeat(513) } }, [['string_above_max_length', 'metadata.a']]],
    [
      { ...job, metadata: { ['k'.repeat(65)]: 'v' } },
      [['string_above_max_length', `metadata.${'k'.repeat(65)} (key)`]],
    ],
    [{ ...job, metadata: many(17, 'v') }, [['invalid_value', 'metadata']]],
    [{ ...job, metadata: many(16, 'é'.repeat(300)) }, [['invalid_value', 'metadata']]],
  ])('%#: %.90j', (body, problems) => {
    expect(problemsOf(body)).toEqual(problems);
  });

  test('names every problem of envelope and input, and the nearest field', () => {
    const checked = validateSubmission(
      {
        operation: 'generation',
        input: { promt: 'x', n: '4' },
        priorty: 'low',
        metadata: { a: 1 },
        expires_after: 0.5,
      },
      context,
    );
    expect(checked.ok ? [] : checked.problems.map(({ param, message }) => [param, message])).toEqual([
      ['input.prompt', "Missing required parameter: 'prompt'."],
      ['input.promt', "Unknown parameter: 'promt'. Did you mean 'prompt'?"],
      ['input.n', "Invalid type for 'n': expected an integer, but got a string instead."],
      ['metadata.a', "Invalid type for 'metadata.a': expected a string, but got an integer instead."],
      ['expires_after', "Invalid type for 'expires_after': expected an integer, but got a decimal number instead."],
      ['priorty', "Unknown parameter: 'priorty'. Did you mean 'priority'?"],
    ]);
  });

  test('names images by where they stand in the job', () => {
    const edit = { operation: 'edit', input: { prompt: 'x', images: [{ file_id: 'file-1' }], mask: { file_id: 'f' } } };
    const { references } = submissionOf(edit).request;
    expect(references && allOf(references).map(({ param }) => param)).toEqual(['input.images[0]', 'input.mask']);
    const inputs = inputsOf({ images: [imageOf('input.images[0]')], mask: imageOf('input.mask', { width: 7 }) });
    const checked = validateSubmission(edit, context, inputs);
    expect(checked.ok ? [] : checked.problems).toMatchObject([
      {
        param: 'input.mask',
        message:
          "Invalid mask image format - mask size does not match image size: 'mask' has 7x1024 pixels, 'images[0]' has 1024x1024.",
      },
    ]);
  });
});
