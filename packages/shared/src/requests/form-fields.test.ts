import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OPERATIONS } from '../models/rules.ts';
import { readFormFields } from './form-fields.ts';
import { validateImagesRequest } from './images-submission.ts';
import { inputsOf } from './test-inputs.ts';

const context = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
  webhooks: { urlProblem: () => null, secretProblem: null },
} as const;

type Entry = readonly [name: string, value: string];

const fieldsOf = (...entries: Entry[]) => readFormFields('edit', entries).fields;
const problemsOf = (...entries: Entry[]) =>
  readFormFields('edit', entries).problems.map(({ code, param, message }) => [code, param, message]);

describe('a text field stands for', () => {
  test.each<[string, Entry[], object]>([
    ['text', [['prompt', '4']], { prompt: '4' }],
    ['text, though it looks like null', [['prompt', 'null']], { prompt: 'null' }],
    ['an integer', [['n', '4']], { n: 4 }],
    ['zero', [['output_compression', '0']], { output_compression: 0 }],
    ['a negative integer', [['n', '-1']], { n: -1 }],
    ['an integer of gifs', [['frame_count', '9']], { frame_count: 9 }],
    ['an integer of the envelope', [['expires_after', '3600']], { expires_after: 3600 }],
    ['a boolean', [['stream', 'false']], { stream: false }],
    ['a boolean of the envelope', [['dry_run', 'true']], { dry_run: true }],
    ['null, as the Node SDK sends it', [['n', 'null']], { n: null }],
    ['a member of an object', [['svg[model]', 'm']], { svg: { model: 'm' } }],
    ['a member deeper down', [['svg[reasoning][effort]', 'low']], { svg: { reasoning: { effort: 'low' } } }],
    ['a value of metadata', [['metadata[n]', '4']], { metadata: { n: '4' } }],
    ['a value of metadata under any key', [['metadata[a[b]]', 'x']], { metadata: { 'a[b]': 'x' } }],
    [
      'a webhook',
      [
        ['webhook[url]', 'https://example.com'],
        ['webhook[events][]', 'job.failed'],
        ['webhook[events][]', 'job.completed'],
      ],
      { webhook: { url: 'https://example.com', events: ['job.failed', 'job.completed'] } },
    ],
    ['an object as JSON', [['svg', '{"model":"m"}']], { svg: { model: 'm' } }],
    ['metadata as JSON', [['metadata', '{"a":"b"}']], { metadata: { a: 'b' } }],
    ['a list as JSON', [['webhook[events]', '["job.failed"]']], { webhook: { events: ['job.failed'] } }],
  ])('%s', (_, entries, fields) => {
    expect(readFormFields('edit', entries)).toEqual({ fields, problems: [] });
  });

  test.each<Entry>([
    ['n', '4.0'],
    ['n', '4.5'],
    ['n', ''],
    ['n', '007'],
    ['n', '1e1'],
    ['n', ' 4'],
    ['n', '9'.repeat(40)],
    ['stream', 'no'],
    ['stream', '1'],
    ['svg', '{'],
    ['svg', '[]'],
    ['svg', '7'],
    ['metadata', '"x"'],
    ['webhook[events]', 'job.failed'],
  ])('itself when it can’t be read: %s=%s', (name, value) => {
    const { fields, problems } = readFormFields('edit', [[name, value]]);
    const held = name === 'webhook[events]' ? fields['webhook'] : fields;
    expect([Object.values(held as object), problems]).toEqual([[value], []]);
  });

  test('an unknown field under its whole name', () => {
    expect(fieldsOf(['n[]', '4'], ['sise[x]', '1'], ['svg[', 'x'], ['a]', 'b'])).toEqual({
      'n[]': '4',
      'sise[x]': '1',
      'svg[': 'x',
      'a]': 'b',
    });
    expect(fieldsOf(['svg[foo]', 'x'])).toEqual({ svg: { foo: 'x' } });
    const deep = `svg${'[a]'.repeat(50_000)}`;
    expect(Object.keys(fieldsOf([deep, 'x']))).toEqual([deep]);
  });

  test('never a property every object has', () => {
    const fields = fieldsOf(
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['metadata[__proto__]', 'c'],
      ['svg[toString]', 'd'],
    );
    expect(Object.keys(fields)).toEqual(['__proto__', 'constructor', 'metadata', 'svg']);
    expect(Object.entries(fields['metadata'] as object)).toEqual([['__proto__', 'c']]);
    expect(Object.getPrototypeOf(fields)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['model']).toBeUndefined();
  });
});

describe('a problem is', () => {
  test.each<[string, Entry[], string]>([
    [
      'a field sent twice',
      [
        ['size', 'auto'],
        ['size', 'auto'],
      ],
      'size',
    ],
    [
      'a member sent twice',
      [
        ['svg[model]', 'a'],
        ['svg[model]', 'b'],
      ],
      'svg.model',
    ],
    [
      'an object as JSON and by member',
      [
        ['svg', '{"model":"m"}'],
        ['svg[model]', 'm'],
      ],
      'svg.model',
    ],
    [
      'an object by member and as JSON',
      [
        ['svg[model]', 'm'],
        ['svg', '{"model":"m"}'],
      ],
      'svg',
    ],
    [
      'a list that is a text too',
      [
        ['webhook[events]', 'x'],
        ['webhook[events][]', 'y'],
      ],
      'webhook.events',
    ],
  ])('%s', (_, entries, param) => {
    expect(problemsOf(...entries)).toEqual([
      ['invalid_value', param, `Invalid '${param}': it was sent more than once.`],
    ]);
  });

  test('a field sent a thousand times, once', () => {
    expect(problemsOf(...Array.from({ length: 1_000 }, (): Entry => ['n', '1']))).toHaveLength(1);
  });

  test.each(['image', 'image[]', 'image[0]', 'images', 'mask', 'markup'])('the text of a file: %s', (name) => {
    expect(problemsOf([name, 'cat.png'])).toEqual([
      ['invalid_type', name, `Invalid type for '${name}': expected a file, but got a string instead.`],
    ]);
    expect(fieldsOf([name, 'cat.png'])).toEqual({});
  });

  test('not the mask of a variation: that is an unknown field', () => {
    expect(readFormFields('variation', [['mask', 'x']])).toEqual({ fields: { mask: 'x' }, problems: [] });
  });
});

/** As the OpenAI SDKs write a body into a form. */
function toForm(value: unknown, name = ''): Entry[] {
  if (Array.isArray(value)) return value.flatMap((each) => toForm(each, `${name}[]`));
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, each]) => toForm(each, name === '' ? key : `${name}[${key}]`));
  }
  return [[name, String(value)]];
}

const requests = fc.record(
  {
    prompt: fc.string({ minLength: 1, unit: 'grapheme' }),
    model: fc.constantFrom('dall-e-2', 'gpt-image-2.6-flare'),
    n: fc.integer({ min: 1, max: 10 }),
    size: fc.constantFrom('auto', '1024x1024'),
    output_format: fc.constantFrom('webp', 'jpeg'),
    output_compression: fc.integer({ min: 0, max: 100 }),
    stream: fc.constant(false),
    user: fc.string(),
    priority: fc.constantFrom('high', 'low'),
    expires_after: fc.integer({ min: 1, max: 1_000 }),
    metadata: fc.dictionary(fc.string({ maxLength: 9 }), fc.string({ maxLength: 9 }), { minKeys: 1, maxKeys: 5 }),
    webhook: fc.record(
      { url: fc.webUrl(), events: fc.subarray(['job.failed', 'image.completed'], { minLength: 1 }) },
      { requiredKeys: ['url'] },
    ),
  },
  { requiredKeys: ['prompt', 'output_format'] },
);
const svgs = fc.record({
  prompt: fc.constant('x'),
  output_format: fc.constant('svg'),
  svg: fc.record(
    { model: fc.string({ minLength: 1 }), reasoning: fc.record({ effort: fc.constantFrom('low', 'max') }) },
    { requiredKeys: ['model'] },
  ),
});

test('a request comes through a form as it is, and is checked as any other', () => {
  fc.assert(
    fc.property(fc.oneof(requests, svgs), (body) => {
      const read = readFormFields('edit', toForm(body));
      expect(read).toEqual({ fields: body, problems: [] });
      expect(validateImagesRequest('edit', read.fields, context, inputsOf()).ok).toBe(true);
    }),
  );
});

test('never fails, and loses no field without a problem', () => {
  const names = fc.oneof(
    fc.constantFrom('n', 'n[]', 'svg', 'svg[model]', 'svg[model][x]', 'svg[]', 'webhook[events][]', 'webhook[events]'),
    fc.constantFrom('metadata', 'metadata[]', 'metadata[a]', 'image', 'mask', '', '[]', '[', 'webhook[events][][]'),
    fc.string(),
  );
  const entries = fc.array(fc.tuple(names, fc.oneof(fc.string(), fc.constantFrom('1', 'true', '{}', '[]', 'null'))));
  fc.assert(
    fc.property(fc.constantFrom(...OPERATIONS), entries, (operation, sent) => {
      const { fields, problems } = readFormFields(operation, sent);
      const leaves = toForm(fields).length;
      if (problems.length === 0 && sent.every(([, value]) => !['{}', '[]'].includes(value))) {
        expect(leaves).toBe(sent.length);
      }
      validateImagesRequest(operation, fields, context, inputsOf());
    }),
    { numRuns: 1_000 },
  );
});
