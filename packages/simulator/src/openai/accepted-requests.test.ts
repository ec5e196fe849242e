import { describe, expect, test } from 'vitest';
import { isLegacy, models } from './models.ts';
import { requireModel } from './validate-request.ts';
import { check, refusal } from './validation-kit.ts';

const gptModels = models.filter((model) => !isLegacy(model)).map((model) => model.id);

describe('accepted parameters', () => {
  test.each(models.map((model) => [model.id, model] as const))('%s takes its own values', (id, model) => {
    const sizes = [
      ...(model.size.values ?? ['1536x1024', '3840x2160', '1280x512']),
      ...(model.size.autoAllowed ? ['auto'] : []),
    ];
    for (const size of sizes) expect(check({ model: id, size }).size).toBe(size);
    for (const quality of model.quality.values) expect(check({ model: id, quality }).quality).toBe(quality);
    for (const style of model.style?.values ?? []) check({ model: id, style });
    for (const complexity of model.complexity?.values ?? []) check({ model: id, complexity });
    expect(check({ model: id, n: model.n.max }).n).toBe(model.n.max);
    expect(check({ model: id }).responseFormat).toBe(isLegacy(model) ? 'url' : 'b64_json');
  });

  test.each(models.map((model) => [model.id, model.prompt.maxLength] as const))(
    '%s takes %i code points',
    (model, max) => {
      expect(refusal({ model, prompt: '🐈'.repeat(max) })).toBeNull();
      expect(refusal({ model, prompt: '🐈'.repeat(max + 1) })?.message).toBe(
        `Invalid 'prompt': string too long. Expected a string with maximum length ${max}, but got a string with length ${max + 1} instead.`,
      );
    },
  );

  test.each(gptModels)('%s takes null for what it knows, false for stream, and its formats', (model) => {
    const nulls = { n: null, size: null, quality: null, background: null, moderation: null, partial_images: null };
    expect(refusal({ model, ...nulls, stream: false })).toBeNull();
    expect(check({ model, output_format: 'jpeg', output_compression: 40 }).outputCompression).toBe(40);
    expect(check({ model, output_format: 'webp' }).outputFormat).toBe('webp');
    expect(refusal({ model, output_compression: 100 })).toBeNull();
  });

  test('an edit of gpt-image-1.5 takes input_fidelity, a JSON edit moderation', () => {
    expect(refusal({ model: 'gpt-image-1.5', input_fidelity: 'high' }, 'edit', 'multipart')).toBeNull();
    expect(refusal({ moderation: 'low' }, 'edit', 'json')).toBeNull();
  });
});

describe('which models there are', () => {
  test.each([
    ['dall-e-2', '2026-05-11', true],
    ['dall-e-2', '2026-05-12', false],
    ['dall-e-3', '2026-11-22', false],
    ['gpt-image-1', '2026-10-23', false],
    ['gpt-image-1.5-2025-12-16', '2026-11-30', true],
    ['gpt-image-1.5-2025-12-16', '2026-12-01', false],
    ['gpt-image-2', '2099-01-01', true],
  ])('%s on %s: %s', (model, today, there) => {
    const find = () => requireModel({ model }, 'generation', { reality: 'today', today });
    if (there) expect(find().requested).toBe(model);
    else expect(find).toThrow(`The model '${model}' does not exist.`);
  });

  test('without a model the old documented default is taken', () => {
    const era = { reality: 'today', today: '2026-11-22' } as const;
    expect(() => requireModel({}, 'generation', era)).toThrow("The model 'dall-e-2' does not exist.");
    expect(requireModel({}, 'edit', era).model.id).toBe('gpt-image-1.5');
  });
});
