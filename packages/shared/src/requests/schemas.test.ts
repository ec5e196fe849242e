import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { toPublicModel } from '../models/public-model.ts';
import { MODELS, type Operation } from '../models/rules.ts';
import { ENVELOPE_FIELDS } from './envelope.ts';
import { fieldsOf, IMAGE_FIELDS, OWN_FIELDS } from './fields.ts';
import * as imagesSchemas from './images-schemas.ts';
import * as inputSchemas from './input-schemas.ts';
import * as schemas from './schemas.ts';
import { validateSubmission } from './submission.ts';

const now = Date.parse('2026-11-22');
const context = {
  now,
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
  webhooks: { urlProblem: () => null, secretProblem: null },
} as const;

const modules = [schemas, inputSchemas, imagesSchemas].flatMap((module): [string, z.ZodType][] =>
  Object.entries(module),
);

test.each(modules)('%s becomes JSON Schema under a name of its own', (_, schema) => {
  expect(z.globalRegistry.get(schema)?.id).toMatch(/^[A-Z]/);
  expect(JSON.stringify(z.toJSONSchema(schema, { io: 'input' }))).toContain('"type":"object"');
});

test('no two schemas have the same name', () => {
  const ids = modules.map(([, schema]) => z.globalRegistry.get(schema)?.id);
  expect(new Set(ids).size).toBe(ids.length);
});

const envelope = ENVELOPE_FIELDS;
const plain = (operation: Operation) => [...Object.keys(OWN_FIELDS), ...fieldsOf(operation).map(({ name }) => name)];
const images = (operation: Operation, inForm: boolean) =>
  Object.keys(IMAGE_FIELDS).filter(
    (name) => IMAGE_FIELDS[name]?.includes(operation) && name !== (inForm ? 'images' : 'image'),
  );

describe('the documented fields are exactly those the check knows', () => {
  const besides = envelope.filter((name) => name !== 'dry_run');
  test.each([
    ['generation', inputSchemas.generationInputSchema, imagesSchemas.imagesGenerationSchema],
    ['edit', inputSchemas.editInputSchema, imagesSchemas.imagesEditSchema],
    ['variation', inputSchemas.variationInputSchema, imagesSchemas.imagesVariationSchema],
  ] as const)('of a JSON %s', (operation, input, withEnvelope) => {
    const known = [...plain(operation), ...images(operation, false)];
    expect(Object.keys(input.shape).sort()).toEqual(known.sort());
    expect(Object.keys(withEnvelope.shape).sort()).toEqual([...known, ...besides].sort());
  });

  test.each([
    ['edit', imagesSchemas.imagesEditFormSchema, ['image[]']],
    ['variation', imagesSchemas.imagesVariationFormSchema, []],
  ] as const)('of a form that asks for an %s', (operation, form, more) => {
    const known = [...plain(operation), ...images(operation, true), ...besides, ...more];
    expect(Object.keys(form.shape).sort()).toEqual(known.sort());
  });

  test('of a job', () => {
    for (const { shape } of schemas.jobSubmissionSchema.options) {
      expect(Object.keys(shape).sort()).toEqual(['operation', 'input', ...envelope].sort());
    }
  });
});

describe('documentation and check agree', () => {
  const prompt = 'a cat';
  const accepted = [
    { input: { prompt } },
    { input: { prompt, model: 'dall-e-3', quality: 'hd', style: 'vivid', size: '1792x1024', n: 10, user: 'u' } },
    { input: { prompt, model: 'gpt-image-2', size: '3840x2160', background: 'transparent', moderation: 'low' } },
    { input: { prompt, output_format: 'jpeg', output_compression: 0, complexity: 'low', safety_identifier: 's' } },
    { input: { prompt, output_format: 'gif', frame_count: 16, frame_duration_ms: 655_350 } },
    { input: { prompt, output_format: 'svg', svg: { model: 'm', reasoning: { effort: 'xhigh' } } } },
    { input: { prompt, stream: false, partial_images: 0, response_format: 'url', model: null, n: null } },
    {
      input: { prompt },
      metadata: { a: '1', b: null },
      priority: 'high',
      expires_after: 1,
      on_unknown: 'fail',
      dry_run: true,
    },
    { input: { prompt }, webhook: { url: 'https://example.com/hooks', events: ['job.completed', 'image.completed'] } },
    { input: { prompt }, webhook: { url: 'https://example.com/hooks', events: null } },
    {
      input: { prompt },
      metadata: null,
      webhook: null,
      priority: null,
      expires_after: null,
      on_unknown: null,
      dry_run: null,
    },
  ];
  const refused = [
    {},
    { input: {} },
    { input: { prompt: '' } },
    { input: { prompt: 'x'.repeat(32_001) } },
    { input: { prompt, n: '4' } },
    { input: { prompt, n: 11 } },
    { input: { prompt, sise: 'auto' } },
    { input: { prompt, quality: 'ultra' } },
    { input: { prompt, stream: true } },
    { input: { prompt, partial_images: 1 } },
    { input: { prompt, output_format: 'svg', svg: {} } },
    { input: { prompt, output_format: 'gif', frame_count: 17 } },
    { input: { prompt, output_format: 'jpeg', output_compression: 101 } },
    { input: { prompt, safety_identifier: 's'.repeat(129) } },
    { input: { prompt }, webhook: {} },
    { input: { prompt }, webhook: 'https://example.com' },
    { input: { prompt }, webhook: { url: '' } },
    { input: { prompt }, webhook: { url: `https://example.com/${'x'.repeat(2_048)}` } },
    { input: { prompt }, webhook: { url: 'https://example.com', event: [] } },
    { input: { prompt }, webhook: { url: 'https://example.com', events: [] } },
    { input: { prompt }, webhook: { url: 'https://example.com', events: ['job.done'] } },
    { input: { prompt }, webhook: { url: 'https://example.com', events: ['batch.completed'] } },
    { input: { prompt }, webhook: { url: 'https://example.com', events: Array(7).fill('job.failed') } },
    { input: { prompt }, batch_id: 'batch_1' },
    { input: { prompt }, metadata: { a: 1 } },
    { input: { prompt }, metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ''])) },
    { input: { prompt }, priority: 'urgent' },
    { input: { prompt }, expires_after: 2_592_001 },
    { input: { prompt }, on_unknown: 'ignore' },
    { input: { prompt }, dry_run: 'yes' },
  ];

  const url = 'https://example.com/cat.png';
  const files = (length: number) => Array.from({ length }, (_, i) => ({ file_id: `file-${i}` }));
  const edit = (input: object) => ({ operation: 'edit', input });
  const variation = (input: object) => ({ operation: 'variation', input });
  const withImages = [
    edit({ prompt, images: [{ image_url: url }] }),
    edit({ prompt, images: [{ file_id: 'file-1', image_url: null }, { image_url: 'data:image/png;base64,AAAA' }] }),
    edit({ prompt, images: files(16), mask: { file_id: 'file-2' } }),
    edit({ prompt, images: [{ file_id: 'file-1' }], markup: { image_url: url }, mask: null, moderation: 'low' }),
    edit({ prompt, images: [{ file_id: 'file-1' }], model: 'gpt-image-1', input_fidelity: 'high' }),
    variation({ images: [{ image_url: url }] }),
    variation({ images: [{ file_id: 'file-1' }], model: 'dall-e-2', n: 10, size: '256x256', user: 'u' }),
  ];
  const withWrongImages = [
    edit({ prompt }),
    edit({ images: [{ file_id: 'file-1' }] }),
    edit({ prompt, images: [] }),
    edit({ prompt, images: {} }),
    edit({ prompt, images: [null] }),
    edit({ prompt, images: [url] }),
    edit({ prompt, images: [{}] }),
    edit({ prompt, images: [{ file_id: 'file-1', image_url: url }] }),
    edit({ prompt, images: [{ image_url: { url } }] }),
    edit({ prompt, images: [{ image_url: 'ftp://example.com' }] }),
    edit({ prompt, images: [{ file_id: '' }] }),
    edit({ prompt, images: [{ file_id: 'file-1', detail: 'high' }] }),
    edit({ prompt, images: files(17) }),
    edit({ prompt, images: [{ file_id: 'file-1' }], mask: 'file-2' }),
    edit({ prompt, image: { file_id: 'file-1' } }),
    edit({ prompt, images: [{ file_id: 'file-1' }], style: 'vivid' }),
    variation({}),
    variation({ images: [{ file_id: 'file-1' }, { file_id: 'file-2' }] }),
    variation({ images: [{ file_id: 'file-1' }], prompt }),
    variation({ images: [{ file_id: 'file-1' }], mask: { file_id: 'file-2' } }),
    variation({ images: [{ file_id: 'file-1' }], quality: 'low' }),
    { input: { prompt, images: [{ file_id: 'file-1' }] } },
  ];

  test.each([...accepted, ...withImages])('on taking %.90j', (body) => {
    const submitted = { operation: 'generation', ...body };
    expect([
      validateSubmission(submitted, context).ok,
      schemas.jobSubmissionSchema.safeParse(submitted).success,
    ]).toEqual([true, true]);
  });

  test.each([...refused, ...withWrongImages])('on refusing %.90j', (body) => {
    const submitted = { operation: 'generation', ...body };
    expect([
      validateSubmission(submitted, context).ok,
      schemas.jobSubmissionSchema.safeParse(submitted).success,
    ]).toEqual([false, false]);
  });
});

describe('public models', () => {
  test.each(MODELS)('$id is shown as documented', (rules) => {
    const shown: unknown = JSON.parse(JSON.stringify(toPublicModel(rules, now)));
    expect(schemas.modelSchema.strict().parse(shown)).toEqual(shown);
  });

  test('show what is left of a model and what replaces it', () => {
    const shown = MODELS.map((rules) => toPublicModel(rules, now)).map(({ id, status, replacement }) => [
      id,
      status,
      replacement,
    ]);
    expect(shown).toEqual([
      ['dall-e-2', 'retired', 'gpt-image-2.6-flare'],
      ['dall-e-3', 'retired', 'gpt-image-2.6-flare'],
      ['gpt-image-1', 'retired', 'gpt-image-2.6-flare'],
      ['gpt-image-1-mini', 'deprecated', 'gpt-image-2.6-flare'],
      ['gpt-image-1.5', 'deprecated', 'gpt-image-2.6-sunburst'],
      ['chatgpt-image-latest', 'deprecated', 'gpt-image-2.6-sunburst'],
      ['gpt-image-2', 'live', null],
      ['gpt-image-2.5-sunburst', 'live', null],
      ['gpt-image-2.5-flare', 'live', null],
      ['gpt-image-2.6-sunburst', 'live', null],
      ['gpt-image-2.6-flare', 'live', null],
    ]);
    const learned = toPublicModel(MODELS[4] ?? expect.fail(), now, {
      retired: new Set(['gpt-image-1.5']),
      shutdownDates: new Map(),
    });
    expect(learned).toMatchObject({
      id: 'gpt-image-1.5',
      status: 'retired',
      shutdown_date: '2026-12-01',
      created: 1_765_843_200,
    });
  });
});
