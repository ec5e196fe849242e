// What must hold for any JSON a caller can send.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findModel, MODEL_NAMES, OPERATIONS } from '../models/rules.ts';
import { brokenSizeRules, parseSize } from '../models/size.ts';
import { allowedBy } from './check-fields.ts';
import { FIELDS, fieldsOf } from './fields.ts';
import { toInputRef } from './inputs.ts';
import { validateSubmission } from './submission.ts';
import { imageOf, inputsOf } from './test-inputs.ts';
import type { ValidateContext } from './validate.ts';
import { validateRequest } from './validate.ts';

const context = fc.record({
  now: fc.constantFrom('2026-11-22', '2026-12-02', '2040-01-01').map(Date.parse),
  modelPolicy: fc.constantFrom('translate', 'strict', 'passthrough'),
  defaultModel: fc.constantFrom('gpt-image-2.6-flare', 'dall-e-3', 'nobody'),
  allowUnknownModels: fc.boolean(),
  variationPrompt: fc.constant('Vary it.'),
}) satisfies fc.Arbitrary<ValidateContext>;

const anything = fc.jsonValue({ maxDepth: 4 }).map((value) => value as unknown);

/** A sensible value, now and then left out as null, seldom anything at all. */
function mostly(...values: readonly unknown[]) {
  return fc.oneof(
    { weight: 30, arbitrary: fc.constantFrom(...values) },
    { weight: 30, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: anything },
  );
}

/** Mostly sensible requests, so that many are accepted. */
const likely = fc.record(
  {
    model: mostly(...MODEL_NAMES, 'nobody'),
    prompt: fc.string({ minLength: 1, unit: 'grapheme' }),
    n: mostly(1, 4, 10),
    size: mostly('1024x1024', '1024x1024', 'auto', '1792x1024', '256x256'),
    quality: mostly('low', 'medium', 'high', 'hd', 'auto'),
    style: mostly('vivid', null, null, null),
    background: mostly('opaque', 'auto', 'transparent'),
    output_format: mostly('png', 'webp', 'jpeg', 'svg'),
    output_compression: mostly(50, null, null, null),
    user: mostly('u'),
    svg: mostly({ model: 'm', reasoning: { effort: null } }, null, null, null, null),
    response_format: mostly('url', 'b64_json'),
    stream: mostly(false),
    sise: mostly(null),
  },
  { requiredKeys: ['prompt'] },
);

const requests = fc.oneof({ weight: 4, arbitrary: likely }, { weight: 1, arbitrary: anything });

const reference = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom({ file_id: 'file-1' }, { image_url: 'https://example.com/a.png' }) },
  { weight: 2, arbitrary: fc.constant({ image_url: 'data:image/png;base64,AAAA', file_id: null }) },
  { weight: 1, arbitrary: anything },
);

/** Mostly sensible edits and variations: few fields, all of which both have, and now and then one of edits. */
const withImages = fc.record(
  {
    model: mostly('dall-e-2', 'gpt-image-1', 'gpt-image-2', 'gpt-image-2.6-flare'),
    n: mostly(1, 4),
    size: mostly('1024x1024', '256x256'),
    user: mostly('u'),
    prompt: fc.constantFrom('x', null),
    moderation: mostly('low', null, null, null),
    images: fc.array(reference, { minLength: 1, maxLength: 2 }),
    mask: fc.option(reference, { freq: 1 }),
    markup: mostly(null, null, { file_id: 'file-2' }),
  },
  { requiredKeys: ['images'] },
);

const image = (param: string) =>
  fc
    .record({
      format: fc.constantFrom('png', 'png', 'png', 'webp', 'jpeg'),
      bytes: fc.constantFrom(1_000, 1_000, 4_194_304, 52_428_800),
      width: fc.constantFrom(1_024, 1_024, 1_024, 512),
      isTransparent: fc.boolean(),
    })
    .map((facts) => imageOf(param, facts));

const measured = fc
  .record({
    images: fc.array(image('images[0]'), { minLength: 0, maxLength: 2 }),
    mask: fc.option(image('mask'), { freq: 1 }),
    markup: fc.option(image('markup'), { freq: 1 }),
  })
  .map(inputsOf);

function holdsNull(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return typeof value === 'object' && Object.values(value).some(holdsNull);
}

const anyRequest = fc.oneof(requests, withImages);
const anyInputs = fc.option(measured, { freq: 1 });

describe('validateRequest', () => {
  test('never throws; refusals have problems, each with code, type and a message', () => {
    fc.assert(
      fc.property(fc.constantFrom(...OPERATIONS), anyRequest, anyInputs, context, (operation, input, inputs, ctx) => {
        const checked = validateRequest(operation, input, ctx, inputs);
        if (checked.ok) return;
        expect(checked.problems.length).toBeGreaterThan(0);
        for (const { code, status, message } of checked.problems) {
          expect([typeof code, status, message.length > 0]).toEqual(['string', 400, true]);
        }
      }),
    );
  });

  test('forwards neither null, nor n, nor a field or value the called model does not take', () => {
    let accepted = 0;
    fc.assert(
      fc.property(requests, context, (input, ctx) => {
        const checked = validateRequest('generation', input, ctx);
        if (!checked.ok) return;
        accepted++;
        const { body, model } = checked.request;
        expect(holdsNull(body) || holdsNull(checked.request.input)).toBe(false);
        expect(body['model']).toBe(model);
        const rules = findModel(model);
        for (const name of Object.keys(body).filter((key) => key !== 'model')) {
          const spec = FIELDS.find((candidate) => candidate.name === name);
          if (name === 'response_format') expect(rules?.responseFormat).not.toBeNull();
          else expect(spec && (rules === null || allowedBy(spec, [rules]))).toBeTruthy();
        }
      }),
      { numRuns: 500 },
    );
    expect(accepted).toBeGreaterThan(50);
  });

  test('with images: the same, in both passes; only references in the first, only stored images in the second', () => {
    const accepted = { references: 0, inputs: 0 };
    const images = fc.option(measured, { freq: 2 });
    fc.assert(
      fc.property(
        fc.constantFrom('edit', 'variation'),
        withImages,
        images,
        context,
        (operation, input, inputs, ctx) => {
          const checked = validateRequest(operation, input, ctx, inputs);
          if (!checked.ok) return;
          const { body, model, sentAs, references } = checked.request;
          accepted[inputs === null ? 'references' : 'inputs']++;
          expect(holdsNull(body) || holdsNull(checked.request.input)).toBe(false);
          const rules = findModel(model);
          expect(rules === null || rules.operations[sentAs]).toBe(true);
          expect((references === null) === (inputs !== null)).toBe(true);
          expect(body['images']).toEqual(inputs === null ? [] : inputs.images.map(({ facts }) => toInputRef(facts)));
          for (const name of Object.keys(body).filter((key) => !['model', 'images', 'mask', 'markup'].includes(key))) {
            const spec = fieldsOf(sentAs).find((candidate) => candidate.name === name);
            if (name === 'response_format') expect(rules?.responseFormat).not.toBeNull();
            else expect(spec && (rules === null || allowedBy(spec, [rules]))).toBeTruthy();
          }
          expect(JSON.stringify(checked.request.input)).not.toContain('data:');
        },
      ),
      { numRuns: 1_000 },
    );
    expect(Math.min(accepted.references, accepted.inputs)).toBeGreaterThan(20);
  });

  test('checked again, an accepted input gives the same request', () => {
    fc.assert(
      fc.property(likely, context, (input, ctx) => {
        const once = validateRequest('generation', input, ctx);
        if (once.ok) expect(validateRequest('generation', once.request.input, ctx)).toEqual(once);
      }),
    );
  });

  test('takes a free size exactly when the size rule does', () => {
    const rule = findModel('gpt-image-2')?.size;
    const edge = fc.integer({ min: 0, max: 260 }).chain((k) => fc.constantFrom(k * 16, k * 16 + 1));
    const ctx = {
      now: 0,
      modelPolicy: 'strict',
      defaultModel: 'gpt-image-2',
      allowUnknownModels: false,
      variationPrompt: 'Vary it.',
    } as const;
    fc.assert(
      fc.property(edge, edge, (width, height) => {
        const size = `${width}x${height}`;
        const pixels = parseSize(size);
        const fits = rule?.kind === 'rule' && pixels !== null && brokenSizeRules(rule, pixels).length === 0;
        expect(validateRequest('generation', { prompt: 'x', size }, ctx).ok).toBe(fits);
      }),
    );
  });
});

test('validateSubmission never throws', () => {
  const body = fc.record(
    { operation: mostly(...OPERATIONS), input: requests, metadata: anything, priority: anything },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(body, anything), context, (submitted, ctx) => {
      const checked = validateSubmission(submitted, ctx);
      if (!checked.ok) expect(checked.problems.length).toBeGreaterThan(0);
    }),
  );
});

test('neither throws on a body nested a hundred thousand deep', () => {
  const deep: unknown = JSON.parse(`${'{"svg":'.repeat(100_000)}1${'}'.repeat(100_000)}`);
  const ctx = {
    now: 0,
    modelPolicy: 'translate',
    defaultModel: 'gpt-image-2',
    allowUnknownModels: false,
    variationPrompt: 'Vary it.',
  } as const;
  expect(validateRequest('generation', deep, ctx).ok).toBe(false);
  expect(validateSubmission({ operation: 'generation', input: deep }, ctx).ok).toBe(false);
});

test('a body of a hundred thousand fields is refused for a few of them', () => {
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`field_${i}`, i]));
  const ctx = {
    now: 0,
    modelPolicy: 'translate',
    defaultModel: 'gpt-image-2.6-flare',
    allowUnknownModels: false,
    variationPrompt: 'Vary it.',
  } as const;
  for (const body of [
    { ...many, operation: 'generation', input: { prompt: 'x' } },
    { operation: 'generation', input: { ...many, prompt: 'x' } },
    { operation: 'generation', input: { prompt: 'x', output_format: 'svg', svg: { ...many, model: 'm' } } },
    { operation: 'generation', input: { prompt: 'x' }, metadata: many },
  ]) {
    const checked = validateSubmission(body, ctx);
    const problems = checked.ok ? [] : checked.problems;
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.length).toBeLessThan(70);
  }
});
