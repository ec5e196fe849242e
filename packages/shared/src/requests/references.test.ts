// The first pass: references of JSON bodies, before any image is fetched.
import { describe, expect, test } from 'vitest';
import { LONGEST_IMAGE_URL, LONGEST_LINK } from './references.ts';
import type { ModelPolicy, ValidateContext } from './validate.ts';
import { validateRequest } from './validate.ts';

const context: ValidateContext = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
};
const FILE = { file_id: 'file-1' };
const DATA = 'data:image/png;base64,iVBORw0KGgo=';

const check = (input: object, modelPolicy: ModelPolicy = 'translate') =>
  validateRequest('edit', { prompt: 'x', ...input }, { ...context, modelPolicy });

function problemsOf(input: object, modelPolicy?: ModelPolicy) {
  const checked = check(input, modelPolicy);
  return checked.ok ? [] : checked.problems.map(({ code, param, message }) => [code, param, message]);
}

describe('a request that is not resolved yet', () => {
  test('names its references and shows none of them', () => {
    const images = [FILE, { image_url: 'https://u:p@example.com/a.png?sig=1' }, { image_url: DATA, file_id: null }];
    const checked = check({ images, mask: { file_id: 'file-2' }, n: 2 });
    expect(checked.ok && checked.request).toMatchObject({
      references: {
        images: [
          { param: 'images[0]', reference: { kind: 'file', fileId: 'file-1' } },
          { param: 'images[1]', reference: { kind: 'url', url: 'https://u:p@example.com/a.png?sig=1' } },
          { param: 'images[2]', reference: { kind: 'data', dataUrl: DATA } },
        ],
        mask: { param: 'mask', reference: { kind: 'file', fileId: 'file-2' } },
        markup: null,
      },
      input: { prompt: 'x', n: 2 },
      body: { images: [] },
      needsMaskFromImage: false,
      estimateMicroUsd: null,
    });
    expect(JSON.stringify(checked.ok && [checked.request.input, checked.request.body])).not.toContain('sig=1');
  });

  test('says what its price is known of', () => {
    const checked = check({ images: [FILE], model: 'gpt-image-2', quality: 'low', size: '1024x1024', n: 2 });
    expect(checked.ok && checked.request.warnings).toEqual([
      'cost of input images is known only afterwards; the images made cost at most $0.01183',
    ]);
  });

  test('takes a markup', () => {
    const checked = check({ images: [FILE], markup: { image_url: DATA } });
    expect(checked.ok && checked.request.references?.markup?.param).toBe('markup');
  });
});

describe('problems', () => {
  const ONE_OF = "expected exactly one of 'file_id' and 'image_url', but got";
  const rows: [input: object, code: string, param: string, message: string][] = [
    [{}, 'missing_required_parameter', 'images', "Missing required parameter: 'images'."],
    [{ images: null }, 'missing_required_parameter', 'images', "Missing required parameter: 'images'."],
    [
      { images: FILE },
      'invalid_type',
      'images',
      "Invalid type for 'images': expected an array, but got an object instead.",
    ],
    [
      { images: [] },
      'invalid_value',
      'images',
      "Invalid 'images': empty array. Expected an array with minimum length 1, but got an empty array instead.",
    ],
    [
      { images: Array.from({ length: 17 }, () => FILE) },
      'array_above_max_length',
      'images',
      "Invalid 'images': array too long. Expected an array with maximum length 16, but got an array with length 17 instead.",
    ],
    [
      { images: ['file-1'] },
      'invalid_type',
      'images[0]',
      "Invalid type for 'images[0]': expected an object, but got a string instead.",
    ],
    [
      { images: [FILE, null] },
      'invalid_type',
      'images[1]',
      "Invalid type for 'images[1]': expected an object, but got null instead.",
    ],
    [{ images: [{}] }, 'invalid_value', 'images[0]', `Invalid 'images[0]': ${ONE_OF} neither.`],
    [{ images: [{ file_id: null }] }, 'invalid_value', 'images[0]', `Invalid 'images[0]': ${ONE_OF} neither.`],
    [
      { images: [{ file_id: 'f', image_url: DATA }] },
      'invalid_value',
      'images[0]',
      `Invalid 'images[0]': ${ONE_OF} both.`,
    ],
    [
      { images: [{ file_id: 'f', image_ur: DATA }] },
      'unknown_parameter',
      'images[0].image_ur',
      "Unknown parameter: 'images[0].image_ur'. Did you mean 'image_url'?",
    ],
    [
      { images: [{ file_id: 7 }] },
      'invalid_type',
      'images[0].file_id',
      "Invalid type for 'images[0].file_id': expected a string, but got an integer instead.",
    ],
    [
      { images: [{ file_id: '' }] },
      'string_below_min_length',
      'images[0].file_id',
      "Invalid 'images[0].file_id': empty string. Expected a string with minimum length 1, but got an empty string instead.",
    ],
    [
      { images: [{ image_url: { url: DATA } }] },
      'invalid_type',
      'images[0].image_url',
      "Invalid type for 'images[0].image_url': expected a string, but got an object instead.",
    ],
    [
      { images: [{ image_url: 'file:///etc/passwd' }] },
      'invalid_image_url',
      'images[0].image_url',
      "Invalid 'images[0].image_url': 'file:///etc/passwd' cannot be fetched. Expected an http or https URL, or a base64-encoded data URL.",
    ],
    [
      { images: [{ image_url: 's3://key:secret@bucket/cat.png?sig=secret#secret' }] },
      'invalid_image_url',
      'images[0].image_url',
      "Invalid 'images[0].image_url': 's3://bucket/cat.png' cannot be fetched. Expected an http or https URL, or a base64-encoded data URL.",
    ],
    [
      { images: [{ image_url: 'cat.png' }] },
      'invalid_image_url',
      'images[0].image_url',
      "Invalid 'images[0].image_url': 'cat.png' cannot be fetched. Expected an http or https URL, or a base64-encoded data URL.",
    ],
    [
      { images: [{ image_url: 'data:image/png,abc' }] },
      'invalid_image_url',
      'images[0].image_url',
      "Invalid 'images[0].image_url': expected a base64-encoded data URL, such as 'data:image/png;base64,…'.",
    ],
    [
      { images: [{ image_url: `https://example.com/${'x'.repeat(LONGEST_LINK)}` }] },
      'string_above_max_length',
      'images[0].image_url',
      "Invalid 'images[0].image_url': string too long. Expected a string with maximum length 8192, but got a string with length 8212 instead.",
    ],
    [
      { images: [FILE], mask: 'file-2' },
      'invalid_type',
      'mask',
      "Invalid type for 'mask': expected an object, but got a string instead.",
    ],
    [
      { images: [FILE], mask: FILE, markup: FILE },
      'invalid_value',
      'markup',
      "Invalid 'markup': it is not supported together with 'mask'.",
    ],
    [
      { images: [FILE], mask: FILE, output_format: 'gif' },
      'invalid_value',
      'mask',
      "Invalid 'mask': it is not supported with output_format 'gif'.",
    ],
    [
      { images: [FILE], markup: FILE, model: 'gpt-image-2' },
      'unknown_parameter',
      'markup',
      "Unknown parameter: 'markup'. It is not supported by 'gpt-image-2'.",
    ],
    [
      { image: FILE },
      'unknown_parameter',
      'image',
      'Unknown parameter: \'image\'. A JSON body names its images in \'images\', as [{ "image_url": … }] or [{ "file_id": … }]; files are sent as multipart/form-data.',
    ],
    [
      { images: [FILE], imagess: [FILE] },
      'unknown_parameter',
      'imagess',
      "Unknown parameter: 'imagess'. Did you mean 'images'?",
    ],
    [
      { images: [FILE], style: 'vivid' },
      'unknown_parameter',
      'style',
      "Unknown parameter: 'style'. It belongs to the operation 'generation', not to 'edit'.",
    ],
  ];

  test.each(rows)('%#: %.80j', (input, code, param, message) => {
    expect(problemsOf(input)).toEqual([[code, param, message]]);
  });

  test('all of a request together', () => {
    const input = {
      prompt: '',
      images: [{ file_id: '', x: 1 }, FILE, { image_url: 'ftp://a' }],
      mask: {},
      markup: 1,
      n: 11,
    };
    expect(problemsOf(input).map(([, param]) => param)).toEqual([
      'prompt',
      'n',
      'markup',
      'images[0].x',
      'images[0].file_id',
      'images[2].image_url',
      'mask',
      'markup',
    ]);
  });

  test('a data URL has at most 20,971,520 characters, in any case of its scheme', () => {
    const start = 'DATA:image/png;base64,';
    const url = `${start}${'A'.repeat(LONGEST_IMAGE_URL - start.length)}`;
    expect(check({ images: [{ image_url: url }] }).ok).toBe(true);
    expect(problemsOf({ images: [{ image_url: `${url}A` }] })).toEqual([
      [
        'string_above_max_length',
        'images[0].image_url',
        "Invalid 'images[0].image_url': string too long. Expected a string with maximum length 20971520, but got a string with length 20971521 instead.",
      ],
    ]);
  });

  test('a hundred thousand references cost one problem', () => {
    expect(problemsOf({ images: Array(100_000).fill(1) })).toHaveLength(17);
  });
});

describe('how many images', () => {
  test.each<[ModelPolicy, string, number]>([
    ['translate', 'dall-e-2', 16],
    ['translate', 'dall-e-3', 16],
    ['passthrough', 'dall-e-2', 1],
    ['translate', 'gpt-image-1.5', 16],
    ['translate', 'gpt-image-2', 16],
    ['translate', 'gpt-image-2.6-sunburst', 16],
  ])('%s: %s takes %d', (modelPolicy, model, most) => {
    const images = Array.from({ length: most }, () => FILE);
    expect(check({ model, images }, modelPolicy).ok).toBe(true);
    expect(problemsOf({ model, images: [...images, FILE] }, modelPolicy)).toMatchObject([
      ['array_above_max_length', 'images', expect.stringContaining(`maximum length ${most},`)],
    ]);
  });

  test.each(['dall-e-2', 'gpt-image-2'])('a variation by %s is of exactly one', (model) => {
    const variation = (images: object[]) => validateRequest('variation', { model, images }, context);
    expect(variation([FILE]).ok).toBe(true);
    const refused = variation([FILE, FILE]);
    expect(refused.ok ? [] : refused.problems).toMatchObject([{ code: 'array_above_max_length', param: 'images' }]);
  });
});
