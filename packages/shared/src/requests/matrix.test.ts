// Every model × parameter × value, against openai-images.md 2.1–2.3 (read 2026-11-22), not against our own data.
import { describe, expect, test } from 'vitest';
import { MODEL_NAMES } from '../models/rules.ts';
import { validateRequest } from './validate.ts';

const context = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'passthrough',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
} as const;

interface Case {
  takes: readonly unknown[];
  refuses: readonly unknown[];
}

const GPT_1 = ['gpt-image-1', 'gpt-image-1-mini', 'gpt-image-1.5', 'gpt-image-1.5-2025-12-16', 'chatgpt-image-latest'];
const GPT_2 = ['gpt-image-2', 'gpt-image-2-2026-04-21'];
const SNAPSHOTS_25 = ['gpt-image-2.5-sunburst-2026-09-08', 'gpt-image-2.5-flare-2026-09-08'];
const GPT_25 = ['gpt-image-2.5-sunburst', 'gpt-image-2.5-flare', ...SNAPSHOTS_25];
const GPT_26 = ['gpt-image-2.6-sunburst', 'gpt-image-2.6-flare'];

const WRONG_TYPES = [0, 1.5, true, [], {}];
const LEGACY_ONLY = ['256x256', '512x512'];
const FIXED = ['1024x1024', '1536x1024', '1024x1536', 'auto'];
const FREE = [...FIXED, '1792x1024', '1024x1792', '1536x864', '3840x2160', '2160x3840', '640x1024', '1440x480'];
const NOT_FREE = [...LEGACY_ONLY, '1792x936', '3856x2048', '3840x2176', '2048x640', '1024', '1024X1024', 'AUTO', ''];

const choice = (takes: readonly string[], refuses: readonly string[]): Case => ({
  takes,
  refuses: [...refuses, '', takes[0]?.toUpperCase(), ...WRONG_TYPES],
});
const NONE: Case = { takes: [], refuses: ['auto', 'low', 'x', 1, true, {}] };
const prompt = (max: number): Case => ({
  takes: ['x', 'x'.repeat(max), '🐱'.repeat(max)],
  refuses: ['', 'x'.repeat(max + 1), '🐱'.repeat(max + 1), ...WRONG_TYPES],
});
const N: Case = { takes: [1, 2, 10], refuses: [0, -1, 11, 1.5, '4', true, [1], {}] };
const RESPONSE_FORMAT = choice(['url', 'b64_json'], ['png']);
const STREAM: Case = { takes: [false], refuses: [true, 0, 'false'] };
const PARTIALS: Case = { takes: [0], refuses: [1, 3, 4, -1, '0', false] };
const USER: Case = { takes: ['u', '', 'u'.repeat(1_000)], refuses: WRONG_TYPES };
const EDIT_ONLY = { image: NONE, images: NONE, mask: NONE, markup: NONE, input_fidelity: NONE };
const OWN = {
  n: N,
  response_format: RESPONSE_FORMAT,
  stream: STREAM,
  partial_images: PARTIALS,
  user: USER,
  ...EDIT_ONLY,
};

const LEGACY = {
  ...OWN,
  background: NONE,
  output_format: NONE,
  output_compression: NONE,
  moderation: NONE,
  complexity: NONE,
  frame_count: NONE,
  frame_duration_ms: NONE,
  svg: NONE,
  safety_identifier: NONE,
};

const GPT = {
  ...OWN,
  prompt: prompt(32_000),
  style: NONE,
  background: choice(['transparent', 'opaque', 'auto'], ['white']),
  moderation: choice(['auto', 'low'], ['high', 'none']),
  // Alone it meets the default format png.
  output_compression: { takes: [], refuses: [-1, 0, 50, 100, 101, '50'] },
  safety_identifier: { takes: ['', 's'.repeat(128)], refuses: ['s'.repeat(129), ...WRONG_TYPES] },
  complexity: NONE,
  frame_count: NONE,
  frame_duration_ms: NONE,
  svg: NONE,
};

const OLD_QUALITY = choice(['low', 'medium', 'high', 'auto'], ['xhigh', 'max', 'standard', 'hd']);
const NEW_QUALITY = choice(['low', 'medium', 'high', 'xhigh', 'max', 'auto'], ['standard', 'hd']);
const FORMAT = choice(['png', 'jpeg', 'webp'], ['gif', 'svg', 'jpg', 'avif']);
const PREVIEW_FORMAT = choice(['png', 'jpeg', 'webp', 'gif', 'svg'], ['jpg', 'avif']);

const matrix: readonly { models: readonly string[]; fields: Readonly<Record<string, Case>> }[] = [
  {
    models: ['dall-e-2'],
    fields: {
      ...LEGACY,
      prompt: prompt(1_000),
      size: choice([...LEGACY_ONLY, '1024x1024'], ['auto', '1792x1024', '1536x1024']),
      quality: choice(['standard'], ['hd', 'high', 'auto']),
      style: NONE,
    },
  },
  {
    models: ['dall-e-3'],
    fields: {
      ...LEGACY,
      prompt: prompt(4_000),
      size: choice(['1024x1024', '1792x1024', '1024x1792'], ['auto', ...LEGACY_ONLY, '1536x1024']),
      quality: choice(['standard', 'hd'], ['high', 'low', 'auto']),
      style: choice(['vivid', 'natural'], ['bold']),
    },
  },
  {
    models: GPT_1,
    fields: {
      ...GPT,
      size: choice(FIXED, [...LEGACY_ONLY, '1792x1024', '1024x1792', '1536x864', '2048x2048']),
      quality: OLD_QUALITY,
      output_format: FORMAT,
    },
  },
  {
    models: GPT_2,
    fields: {
      ...GPT,
      size: { takes: FREE, refuses: [...NOT_FREE, ...WRONG_TYPES] },
      quality: OLD_QUALITY,
      output_format: FORMAT,
    },
  },
  {
    models: [...GPT_25, ...GPT_26],
    fields: {
      ...GPT,
      size: { takes: FREE, refuses: [...NOT_FREE, ...WRONG_TYPES] },
      quality: NEW_QUALITY,
      output_format: PREVIEW_FORMAT,
    },
  },
  { models: GPT_26, fields: { complexity: choice(['low', 'medium', 'high'], ['auto', 'max']) } },
];

test('the matrix holds every model and snapshot', () => {
  expect(new Set(matrix.flatMap(({ models }) => models))).toEqual(new Set(MODEL_NAMES));
});

const fieldsOf = (model: string) =>
  Object.entries(
    Object.assign({}, ...matrix.flatMap(({ models, fields }) => (models.includes(model) ? [fields] : []))),
  );

/** What edits take besides, or otherwise (openai npm 7.57.0, `ImageEditParams`). */
const FIDELITY: Readonly<Record<string, Case>> = {
  'gpt-image-1': choice(['low', 'high'], ['auto']),
  'gpt-image-1-mini': choice(['low'], ['high', 'auto']),
  'gpt-image-1.5': choice(['low', 'high'], ['auto']),
  'gpt-image-1.5-2025-12-16': choice(['low', 'high'], ['auto']),
  'chatgpt-image-latest': choice(['low', 'high'], ['auto']),
};

/** Images are the affair of references.test.ts and check-inputs.test.ts. */
const IMAGES = ['images', 'mask', 'markup'];

const editFieldsOf = (model: string) =>
  Object.entries({
    ...Object.fromEntries(fieldsOf(model).filter(([name]) => !IMAGES.includes(name))),
    style: NONE,
    input_fidelity: FIDELITY[model] ?? NONE,
  });

const VARIATION_FIELDS = ['n', 'size', 'user', 'response_format', 'stream', 'partial_images'];

const variationFieldsOf = (model: string) =>
  fieldsOf(model)
    .filter(([name]) => !['images', 'image'].includes(name))
    .map(([name, held]) => [name, VARIATION_FIELDS.includes(name) ? held : NONE] as const);

const images = [{ file_id: 'file-1' }];

describe.each([
  { operation: 'generation', least: { prompt: 'x' }, fieldsOf, models: MODEL_NAMES },
  {
    operation: 'edit',
    least: { prompt: 'x', images },
    fieldsOf: editFieldsOf,
    models: MODEL_NAMES.filter((name) => name !== 'dall-e-3'),
  },
  {
    operation: 'variation',
    least: { images },
    fieldsOf: variationFieldsOf,
    models: MODEL_NAMES.filter((name) => name !== 'dall-e-3'),
  },
] as const)('$operation', ({ operation, least, fieldsOf: fieldsOfModel, models }) => {
  describe.each(models)('%s', (model) => {
    test.each(fieldsOfModel(model) as [string, Case][])('%s', (field, { takes, refuses }) => {
      for (const value of takes) {
        const checked = validateRequest(operation, { model, ...least, [field]: value }, context);
        expect([field, value, checked.ok || checked.problems[0]?.message]).toEqual([field, value, true]);
      }
      for (const value of refuses) {
        const checked = validateRequest(operation, { model, ...least, [field]: value }, context);
        const params = checked.ok ? [] : checked.problems.map(({ param }) => param?.split('.')[0]);
        expect([field, value, [...new Set(params)]]).toEqual([field, value, [field]]);
      }
    });
  });
});

describe('fields that depend on the output format', () => {
  const rows: [models: readonly string[], input: object, problem: string | null][] = [
    [[...GPT_1, ...GPT_2, ...GPT_25, ...GPT_26], { background: 'transparent', output_format: 'jpeg' }, 'background'],
    [[...GPT_1, ...GPT_2, ...GPT_25, ...GPT_26], { background: 'transparent', output_format: 'webp' }, null],
    [[...GPT_1, ...GPT_2, ...GPT_25, ...GPT_26], { background: 'opaque', output_format: 'jpeg' }, null],
    [[...GPT_1, ...GPT_2, ...GPT_25, ...GPT_26], { output_compression: 0, output_format: 'jpeg' }, null],
    [[...GPT_1, ...GPT_2, ...GPT_25, ...GPT_26], { output_compression: 100, output_format: 'webp' }, null],
    [
      [...GPT_1, ...GPT_2, ...GPT_25, ...GPT_26],
      { output_compression: 50, output_format: 'png' },
      'output_compression',
    ],
    [
      [...GPT_1, ...GPT_2, ...GPT_25, ...GPT_26],
      { output_compression: 101, output_format: 'webp' },
      'output_compression',
    ],
    [[...GPT_25, ...GPT_26], { output_compression: 50, output_format: 'gif' }, 'output_compression'],
    [[...GPT_25, ...GPT_26], { output_compression: 50, output_format: 'svg' }, 'output_compression'],
    [[...GPT_25, ...GPT_26], { background: 'transparent', output_format: 'gif' }, 'background'],
    [[...GPT_25, ...GPT_26], { frame_count: 2, frame_duration_ms: 40, output_format: 'gif' }, null],
    [[...GPT_25, ...GPT_26], { frame_count: 16, output_format: 'gif' }, null],
    [[...GPT_25, ...GPT_26], { frame_count: 1, output_format: 'gif' }, 'frame_count'],
    [[...GPT_25, ...GPT_26], { frame_count: 17, output_format: 'gif' }, 'frame_count'],
    [[...GPT_25, ...GPT_26], { frame_count: 9, output_format: 'png' }, 'frame_count'],
    [[...GPT_25, ...GPT_26], { frame_duration_ms: 0, output_format: 'gif' }, 'frame_duration_ms'],
    [[...GPT_25, ...GPT_26], { frame_duration_ms: 200 }, 'frame_duration_ms'],
    [[...GPT_25, ...GPT_26], { svg: { model: 'm' }, output_format: 'svg' }, null],
    [[...GPT_25, ...GPT_26], { svg: { model: 'm', reasoning: { effort: 'high' } }, output_format: 'svg' }, null],
    [[...GPT_25, ...GPT_26], { svg: { model: 'm', reasoning: { effort: null } }, output_format: 'svg' }, null],
    [
      [...GPT_25, ...GPT_26],
      { svg: { model: 'm', reasoning: { effort: 'x' } }, output_format: 'svg' },
      'svg.reasoning.effort',
    ],
    [[...GPT_25, ...GPT_26], { svg: { reasoning: {} }, output_format: 'svg' }, 'svg.model'],
    [[...GPT_25, ...GPT_26], { svg: { model: 'm', n: 1 }, output_format: 'svg' }, 'svg.n'],
    [[...GPT_25, ...GPT_26], { svg: { model: 'm' } }, 'svg'],
    [[...GPT_1, ...GPT_2], { frame_count: 9, output_format: 'png' }, 'frame_count'],
  ];

  test.each(rows.flatMap(([models, input, problem]) => models.map((model) => ({ model, input, problem }))))(
    '$model $input → $problem',
    ({ model, input, problem }) => {
      const checked = validateRequest('generation', { model, prompt: 'x', ...input }, context);
      expect(checked.ok ? [] : checked.problems.map(({ param }) => param)).toEqual(problem === null ? [] : [problem]);
    },
  );
});
