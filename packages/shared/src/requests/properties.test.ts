// What must hold for any JSON a caller can send.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findModel, MODEL_NAMES, OPERATIONS } from '../models/rules.ts';
import { brokenSizeRules, parseSize } from '../models/size.ts';
import { allowedBy } from './check-fields.ts';
import { FIELDS } from './fields.ts';
import { validateSubmission } from './submission.ts';
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

function holdsNull(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return typeof value === 'object' && Object.values(value).some(holdsNull);
}

describe('validateRequest', () => {
  test('never throws; refusals have problems, each with code, type and a message', () => {
    fc.assert(
      fc.property(fc.constantFrom(...OPERATIONS), requests, context, (operation, input, ctx) => {
        const checked = validateRequest(operation, input, ctx);
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
