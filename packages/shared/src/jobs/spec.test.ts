import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeSpec, encodeSpec, inputsOf, type JobSpec } from './spec.ts';
import { TEST_SPEC } from './test-spec.ts';

const SPEC: JobSpec = {
  ...TEST_SPEC,
  model: 'gpt-image-2.6-flare',
  requestedModel: 'dall-e-3',
  lane: 'gpt-image-2.6-flare',
  input: { model: 'dall-e-3', prompt: 'a cat', n: 2 },
  body: { model: 'gpt-image-2.6-flare', prompt: 'a cat', size: '1024x1024' },
  calls: [[0], [1]],
  warnings: ['translated'],
};

test('a spec comes back as it was, whatever it holds', () => {
  const image = fc.oneof(
    fc.record({ file_id: fc.string(), sha256: fc.string() }, { requiredKeys: [] }),
    fc.jsonValue(),
  );
  const fields = fc.oneof(
    fc.dictionary(fc.string(), fc.jsonValue()),
    fc.record({ images: fc.array(image), mask: image }, { requiredKeys: [] }),
  );
  const changes = fc.record(
    {
      input: fields,
      body: fields,
      warnings: fc.array(fc.string()),
      metadata: fc.dictionary(fc.string(), fc.string()),
      priority: fc.constantFrom('high' as const, 'normal' as const, 'low' as const),
      onUnknown: fc.constantFrom(null, 'retry' as const, 'fail' as const),
      outputFormat: fc.constantFrom('png' as const, 'webp' as const),
      batchId: fc.option(fc.string()),
      lane: fc.constantFrom('other', SPEC.model),
      requestedModel: fc.constantFrom(null, 'dall-e-3', SPEC.model),
      webhook: fc.option(fc.record({ url: fc.string(), events: fc.array(fc.string()) })),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(changes, (change) => {
      const spec = JSON.parse(JSON.stringify({ ...SPEC, ...change })) as JobSpec;
      expect(decodeSpec(encodeSpec(spec), { account: spec.account, batchId: spec.batchId })).toEqual(spec);
    }),
  );
});

test('the prompt is kept once', () => {
  const prompt = 'a long prompt '.repeat(100);
  const text = encodeSpec({ ...SPEC, input: { ...SPEC.input, prompt }, body: { ...SPEC.body, prompt } });
  expect(text.split(prompt)).toHaveLength(2);
});

test('an input image is kept once, and where it came from', () => {
  const ref = { sha256: 'a'.repeat(64), content_type: 'image/png', bytes: 9, width: 3, height: 3 };
  const spec: JobSpec = {
    ...SPEC,
    operation: 'edit',
    sentAs: 'edit',
    input: { prompt: 'a cat', images: [{ file_id: 'file-1', ...ref }], mask: ref },
    body: { model: SPEC.model, prompt: 'a cat', images: [ref], mask: ref },
  };
  const text = encodeSpec(spec);
  expect(text.split(ref.sha256)).toHaveLength(3);
  expect(decodeSpec(text, spec)).toEqual(spec);
  expect(inputsOf(spec)).toEqual({ images: [ref], mask: ref, markup: null });
  expect(inputsOf(SPEC)).toEqual({ images: [], mask: null, markup: null });
});
