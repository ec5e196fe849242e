// Model × operation × policy: openai-images.md 2.1 (read 2026-11-22) and contract section 4, not our own data.
import { describe, expect, test } from 'vitest';
import type { Operation } from '../models/rules.ts';
import { imageOf, inputsOf } from './test-inputs.ts';
import type { ModelPolicy, ValidateContext } from './validate.ts';
import { validateRequest } from './validate.ts';

const context: ValidateContext = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
};

const FIELDS = {
  generation: { prompt: 'a cat' },
  edit: { prompt: 'a cat', images: [{ file_id: 'file-1' }] },
  variation: { images: [{ file_id: 'file-1' }] },
} as const;

const outcomeOf = (operation: Operation, model: string | null, changes: Partial<ValidateContext>) => {
  const checked = validateRequest(operation, { model, ...FIELDS[operation] }, { ...context, ...changes });
  return checked.ok
    ? `${checked.request.model}: ${checked.request.sentAs}`
    : checked.problems.map(({ code }) => code).join(', ');
};

const LIVE = [
  'gpt-image-1-mini',
  'gpt-image-1.5',
  'gpt-image-1.5-2025-12-16',
  'chatgpt-image-latest',
  'gpt-image-2',
  'gpt-image-2-2026-04-21',
  'gpt-image-2.5-sunburst',
  'gpt-image-2.5-flare',
  'gpt-image-2.6-sunburst',
  'gpt-image-2.6-flare',
];

describe.each(['translate', 'strict', 'passthrough'] as const)('%s', (modelPolicy) => {
  test.each(LIVE)('%s generates and edits; a variation becomes an edit', (model) => {
    expect(outcomeOf('generation', model, { modelPolicy })).toBe(`${model}: generation`);
    expect(outcomeOf('edit', model, { modelPolicy })).toBe(`${model}: edit`);
    expect(outcomeOf('variation', model, { modelPolicy })).toBe(`${model}: edit`);
  });
});

const RETIRED: [ModelPolicy, string, Record<Operation, string>][] = [
  ['translate', 'dall-e-2', flare('generation', 'edit', 'edit')],
  ['translate', 'dall-e-3', flare('generation', 'edit', 'edit')],
  ['translate', 'gpt-image-1', flare('generation', 'edit', 'edit')],
  ['strict', 'dall-e-2', all('model_retired')],
  ['strict', 'gpt-image-1', all('model_retired')],
  [
    'strict',
    'dall-e-3',
    {
      generation: 'model_retired',
      edit: 'model_retired, unsupported_operation',
      variation: 'model_retired, unsupported_operation',
    },
  ],
  [
    'passthrough',
    'dall-e-2',
    { generation: 'dall-e-2: generation', edit: 'dall-e-2: edit', variation: 'dall-e-2: variation' },
  ],
  [
    'passthrough',
    'dall-e-3',
    { generation: 'dall-e-3: generation', edit: 'unsupported_operation', variation: 'unsupported_operation' },
  ],
  [
    'passthrough',
    'gpt-image-1',
    { generation: 'gpt-image-1: generation', edit: 'gpt-image-1: edit', variation: 'gpt-image-1: edit' },
  ],
];

function flare(generation: string, edit: string, variation: string): Record<Operation, string> {
  const called = 'gpt-image-2.6-flare';
  return {
    generation: `${called}: ${generation}`,
    edit: `${called}: ${edit}`,
    variation: `${called}: ${variation}`,
  };
}

function all(code: string): Record<Operation, string> {
  return { generation: code, edit: code, variation: code };
}

test.each(RETIRED)('%s: %s', (modelPolicy, model, expected) => {
  const found = {
    generation: outcomeOf('generation', model, { modelPolicy }),
    edit: outcomeOf('edit', model, { modelPolicy }),
    variation: outcomeOf('variation', model, { modelPolicy }),
  };
  expect(found).toEqual(expected);
});

test('without a model the default one is asked', () => {
  expect(outcomeOf('variation', null, {})).toBe('gpt-image-2.6-flare: edit');
  expect(outcomeOf('edit', null, { defaultModel: 'dall-e-3' })).toBe('gpt-image-2.6-flare: edit');
});

test('an unknown model is taken for a current one, when unknown models are allowed', () => {
  expect(outcomeOf('edit', 'gpt-image-3', { allowUnknownModels: true })).toBe('gpt-image-3: edit');
  expect(outcomeOf('variation', 'gpt-image-3', { allowUnknownModels: true })).toBe('gpt-image-3: edit');
  expect(outcomeOf('edit', 'gpt-image-3', {})).toBe('model_not_found');
});

test('a refusal says what the model can do, and which model was meant', () => {
  const checked = validateRequest(
    'edit',
    { model: 'dall-e-3', ...FIELDS.edit },
    { ...context, modelPolicy: 'passthrough' },
  );
  expect(checked.ok ? [] : checked.problems).toMatchObject([
    {
      code: 'unsupported_operation',
      param: 'model',
      status: 400,
      message: "The operation 'edit' is not supported by the model 'dall-e-3'. Supported operations: 'generation'.",
    },
  ]);
});

describe('a variation', () => {
  const variationOf = (input: object, changes: Partial<ValidateContext> = {}) => {
    const checked = validateRequest('variation', input, { ...context, ...changes }, inputsOf());
    return checked.ok ? checked.request : expect.fail(checked.problems.map(({ message }) => message).join('\n'));
  };

  test('of dall-e-2 becomes an edit of its replacement, with a prompt and its old defaults', () => {
    const request = variationOf({ model: 'dall-e-2', n: 2, size: '256x256', response_format: 'url', user: 'u' });
    const [ref] = request.body['images'] as object[];
    expect(request).toMatchObject({ operation: 'variation', sentAs: 'edit', n: 2, requestedModel: 'dall-e-2' });
    expect(request.body).toEqual({
      model: 'gpt-image-2.6-flare',
      prompt: 'Vary it.',
      size: '1024x1024',
      quality: 'medium',
      safety_identifier: 'u',
      images: [ref],
    });
    expect(request.downscaleTo).toEqual({ width: 256, height: 256 });
    expect(request.input).toEqual({
      model: 'dall-e-2',
      n: 2,
      size: '256x256',
      response_format: 'url',
      user: 'u',
      images: [ref],
    });
    expect(request.warnings).toContain(
      'gpt-image-2.6-flare has no variations: sent as an edit with the prompt "Vary it."',
    );
  });

  test('of a live model becomes an edit with a prompt', () => {
    const request = variationOf({ model: 'gpt-image-2' }, { modelPolicy: 'strict' });
    expect(request).toMatchObject({ sentAs: 'edit', body: { model: 'gpt-image-2', prompt: 'Vary it.' } });
    expect(request.warnings[0]).toMatch(/^gpt-image-2 has no variations/);
  });

  test('goes to the variations of a model that has them, as given and at a known price', () => {
    const request = variationOf({ model: 'dall-e-2', n: 3, size: '512x512' }, { modelPolicy: 'passthrough' });
    expect(request).toMatchObject({ sentAs: 'variation', warnings: [], downscaleTo: null, estimateMicroUsd: 54_000 });
    expect(request.body).toEqual({
      model: 'dall-e-2',
      size: '512x512',
      response_format: 'b64_json',
      images: [expect.anything()],
    });
  });

  test.each([
    [{ prompt: 'x' }, 'prompt', "It belongs to the operations 'generation' and 'edit', not to 'variation'."],
    [{ quality: 'low' }, 'quality', "It belongs to the operations 'generation' and 'edit', not to 'variation'."],
    [{ mask: { file_id: 'f' } }, 'mask', "It belongs to the operation 'edit', not to 'variation'."],
  ])('has no %j', (input, param, why) => {
    const checked = validateRequest('variation', { ...FIELDS.variation, ...input }, context);
    expect(checked.ok ? [] : checked.problems.map((each) => [each.code, each.param, each.message])).toEqual([
      ['unknown_parameter', param, `Unknown parameter: '${param}'. ${why}`],
    ]);
  });

  test.each(['mask', 'markup'] as const)('has no %s in a form either', (role) => {
    const checked = validateRequest('variation', {}, context, inputsOf({ [role]: imageOf(role) }));
    expect(checked.ok ? [] : checked.problems.map(({ code, param }) => [code, param])).toEqual([
      ['unknown_parameter', role],
    ]);
  });

  test('never takes its mask from the image', () => {
    const checked = validateRequest(
      'variation',
      { model: 'dall-e-2' },
      context,
      inputsOf({ images: [imageOf('image')] }),
    );
    expect(checked.ok && checked.request.needsMaskFromImage).toBe(false);
  });
});
