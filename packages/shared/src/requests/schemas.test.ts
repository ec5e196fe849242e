import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { toPublicModel } from '../models/public-model.ts';
import { MODELS } from '../models/rules.ts';
import { ENVELOPE_FIELDS } from './envelope.ts';
import { fieldsOf, OWN_FIELDS } from './fields.ts';
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

test.each(Object.entries(schemas))('%s becomes JSON Schema under a name of its own', (_, schema) => {
  expect(z.globalRegistry.get(schema)?.id).toMatch(/^[A-Z]/);
  expect(JSON.stringify(z.toJSONSchema(schema, { io: 'input' }))).toContain('"type":"object"');
});

test('the documented fields are exactly those the check knows', () => {
  const input = Object.keys(schemas.generationInputSchema.shape);
  expect(input.sort()).toEqual([...Object.keys(OWN_FIELDS), ...fieldsOf('generation').map(({ name }) => name)].sort());
  const notBuilt = ['on_unknown'];
  const envelope = ENVELOPE_FIELDS.filter((name) => !notBuilt.includes(name));
  expect(Object.keys(schemas.jobSubmissionSchema.shape).sort()).toEqual(['operation', 'input', ...envelope].sort());
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
    { input: { prompt }, metadata: { a: '1', b: null }, priority: 'high', expires_after: 1, dry_run: true },
    { input: { prompt }, webhook: { url: 'https://example.com/hooks', events: ['job.completed', 'image.completed'] } },
    { input: { prompt }, webhook: { url: 'https://example.com/hooks', events: null } },
    { input: { prompt }, metadata: null, webhook: null, priority: null, expires_after: null, dry_run: null },
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
    { input: { prompt }, dry_run: 'yes' },
  ];

  test.each(accepted)('on taking %.90j', (body) => {
    const submitted = { operation: 'generation', ...body };
    expect([
      validateSubmission(submitted, context).ok,
      schemas.jobSubmissionSchema.safeParse(submitted).success,
    ]).toEqual([true, true]);
  });

  test.each(refused)('on refusing %.90j', (body) => {
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
    const learned = toPublicModel(MODELS[4] ?? expect.fail(), now, new Set(['gpt-image-1.5']));
    expect(learned).toMatchObject({
      id: 'gpt-image-1.5',
      status: 'retired',
      shutdown_date: '2026-12-01',
      created: 1_765_843_200,
    });
  });
});
