// The second pass: what was measured against what models take (openai-images.md 2.4, read 2026-11-22).
import { describe, expect, test } from 'vitest';
import { MODEL_NAMES } from '../models/rules.ts';
import type { InputFacts, InputImage, InputSet } from './inputs.ts';
import { imageOf, inputsOf } from './test-inputs.ts';
import type { ModelPolicy, ValidateContext } from './validate.ts';
import { validateRequest } from './validate.ts';

const context: ValidateContext = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'passthrough',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
};

const check = (input: object, inputs: InputSet<InputImage>, modelPolicy: ModelPolicy = 'passthrough') =>
  validateRequest('edit', { prompt: 'x', ...input }, { ...context, modelPolicy }, inputs);

function problemsOf(input: object, inputs: InputSet<InputImage>, modelPolicy?: ModelPolicy) {
  const checked = check(input, inputs, modelPolicy);
  return checked.ok ? [] : checked.problems.map(({ code, param, message }) => [code, param, message]);
}

const codesOf = (input: object, inputs: InputSet<InputImage>, modelPolicy?: ModelPolicy) =>
  problemsOf(input, inputs, modelPolicy).map(([code, param]) => `${code} ${param}`);

const MB = 1_048_576;
const PNG_4_MB = 'Uploaded image must be a PNG and less than 4 MB.';
const GPT_IMAGE = MODEL_NAMES.filter((name) => !name.startsWith('dall-e'));

const oneImage = (facts: Partial<InputFacts>) => inputsOf({ images: [imageOf('image', facts)] });
const withMask = (facts: Partial<InputFacts>) => inputsOf({ mask: imageOf('mask', facts) });
const withMarkup = (facts: Partial<InputFacts>) => inputsOf({ markup: imageOf('markup', facts) });

describe.each(GPT_IMAGE)('%s', (model) => {
  test.each<[Partial<InputFacts>, string[]]>([
    [{ format: 'png' }, []],
    [{ format: 'webp' }, []],
    [{ format: 'jpeg' }, []],
    [{ width: 100, height: 3_000 }, []],
    [{ bytes: 50 * MB - 1 }, []],
    [{ bytes: 50 * MB }, ['file_too_large image']],
    [{ bytes: 50 * MB + 1 }, ['file_too_large image']],
  ])('an image %j → %j', (facts, codes) => {
    expect(codesOf({ model }, oneImage(facts))).toEqual(codes);
  });

  test.each<[Partial<InputFacts>, string[]]>([
    [{}, []],
    [{ bytes: 4 * MB - 1 }, []],
    [{ bytes: 4 * MB }, ['file_too_large mask']],
    [{ bytes: 4 * MB + 1 }, ['file_too_large mask']],
    [{ width: 1_023 }, ['invalid_mask_image_format mask']],
    [{ height: 1_025 }, ['invalid_mask_image_format mask']],
    [{ hasAlpha: false, isTransparent: false }, ['invalid_mask_image_format mask']],
    [{ format: 'webp' }, ['unsupported_file_mimetype mask']],
    [{ format: 'jpeg' }, ['unsupported_file_mimetype mask', 'invalid_mask_image_format mask']],
  ])('a mask %j → %j', (facts, codes) => {
    expect(codesOf({ model }, withMask(facts))).toEqual(codes);
  });
});

describe('dall-e-2', () => {
  test.each<[Partial<InputFacts>, string[]]>([
    [{}, []],
    [{ bytes: 4 * MB - 1 }, []],
    [{ bytes: 4 * MB }, ['file_too_large image']],
    [{ format: 'webp' }, ['unsupported_file_mimetype image']],
    [{ format: 'jpeg' }, ['unsupported_file_mimetype image']],
    [{ width: 1_023 }, ['invalid_image_file image']],
    [
      { format: 'jpeg', bytes: 5 * MB, height: 1 },
      ['unsupported_file_mimetype image', 'file_too_large image', 'invalid_image_file image'],
    ],
  ])('an image %j → %j, unless it is translated', (facts, codes) => {
    expect(codesOf({ model: 'dall-e-2' }, oneImage(facts))).toEqual(codes);
    expect(codesOf({ model: 'dall-e-2' }, oneImage(facts), 'translate')).toEqual([]);
    const strict = codesOf({ model: 'dall-e-2' }, oneImage(facts), 'strict');
    expect(strict).toEqual(['model_retired model', ...codes]);
  });

  test.each<[Partial<InputFacts>, string[]]>([
    [{}, []],
    [{ bytes: 4 * MB }, ['file_too_large mask']],
    [{ width: 1 }, ['invalid_mask_image_format mask']],
    [{ format: 'webp' }, ['unsupported_file_mimetype mask']],
  ])('a mask %j → %j', (facts, codes) => {
    expect(codesOf({ model: 'dall-e-2' }, withMask(facts))).toEqual(codes);
    expect(codesOf({ model: 'dall-e-2' }, withMask(facts), 'translate')).toEqual(codes);
  });

  test('takes no markup, its replacement does', () => {
    expect(codesOf({ model: 'dall-e-2' }, withMarkup({}))).toEqual(['unknown_parameter markup']);
    expect(codesOf({ model: 'dall-e-2' }, withMarkup({}), 'translate')).toEqual([]);
  });
});

describe('dall-e-3, translated', () => {
  test('takes what its replacement takes', () => {
    expect(codesOf({ model: 'dall-e-3' }, oneImage({ format: 'jpeg', bytes: 49 * MB }), 'translate')).toEqual([]);
    expect(codesOf({ model: 'dall-e-3' }, oneImage({ bytes: 50 * MB }), 'translate')).toEqual(['file_too_large image']);
  });
});

describe('markup', () => {
  test.each(GPT_IMAGE)('by %s', (model) => {
    const taken = model.startsWith('gpt-image-2.5') || model.startsWith('gpt-image-2.6');
    expect(codesOf({ model }, withMarkup({}))).toEqual(taken ? [] : ['unknown_parameter markup']);
  });

  test.each<[Partial<InputFacts>, string[]]>([
    [{ bytes: 50 * MB - 1 }, []],
    [{ bytes: 50 * MB }, ['file_too_large markup']],
    [{ width: 1_023 }, ['invalid_image_file markup']],
    [{ isTransparent: false }, ['invalid_image_file markup']],
    [{ format: 'webp' }, ['unsupported_file_mimetype markup']],
    [{ format: 'jpeg' }, ['unsupported_file_mimetype markup', 'invalid_image_file markup']],
  ])('%j → %j', (facts, codes) => {
    expect(codesOf({}, withMarkup(facts))).toEqual(codes);
  });

  test('does not go with a mask', () => {
    const both = inputsOf({ mask: imageOf('mask'), markup: imageOf('markup') });
    expect(codesOf({}, both)).toEqual(['invalid_value markup']);
  });
});

describe('messages name the field, what it is and what is allowed', () => {
  test.each<[object, InputSet<InputImage>, string[]]>([
    [
      { model: 'dall-e-2' },
      oneImage({ format: 'webp', bytes: 4 * MB }),
      [
        `Invalid file 'image': unsupported mimetype ('image/webp'). ${PNG_4_MB}`,
        `Invalid file 'image': too large (4194304 bytes). ${PNG_4_MB}`,
      ],
    ],
    [
      { model: 'dall-e-2' },
      oneImage({ width: 640, height: 480 }),
      ["Invalid image file 'image': it has 640x480 pixels. Uploaded image must be square."],
    ],
    [
      {},
      inputsOf({ images: [imageOf('image[0]'), imageOf('image[1]', { bytes: 60 * MB })] }),
      ["Invalid file 'image[1]': too large (62914560 bytes). It must be less than 50 MB."],
    ],
    [
      {},
      withMask({ format: 'jpeg', width: 512, bytes: 4 * MB }),
      [
        "Invalid file 'mask': unsupported mimetype ('image/jpeg'). The supported file format is 'image/png'.",
        "Invalid file 'mask': too large (4194304 bytes). It must be less than 4 MB.",
        "Invalid mask image format - mask size does not match image size: 'mask' has 512x1024 pixels, 'image' has 1024x1024.",
        'Invalid mask image format - missing alpha channel: its transparent pixels mark what to edit.',
      ],
    ],
    [
      {},
      withMarkup({ height: 1, isTransparent: false }),
      [
        "Invalid image file 'markup': its size does not match the image: 'markup' has 1024x1 pixels, 'image' has 1024x1024.",
        "Invalid image file 'markup': it has no transparent pixel. Expected a transparent PNG.",
      ],
    ],
    [{}, inputsOf({ images: [] }), ["Missing required parameter: 'image'."]],
  ])('%#', (input, inputs, messages) => {
    expect(problemsOf(input, inputs).map(([, , message]) => message)).toEqual(messages);
  });

  test('too many images of a form, counted by the field of the form', () => {
    const images = Array.from({ length: 17 }, (_, i) => imageOf(`image[${i}]`));
    expect(codesOf({}, inputsOf({ images }))).toEqual(['array_above_max_length image']);
    expect(codesOf({ model: 'dall-e-2' }, inputsOf({ images }))).toEqual(['array_above_max_length image']);
  });

  test('fields and images together', () => {
    const inputs = inputsOf({ images: [imageOf('image', { bytes: 50 * MB })], mask: imageOf('mask', { width: 1 }) });
    expect(codesOf({ prompt: '', n: 11, sise: 'x' }, inputs)).toEqual([
      'string_below_min_length prompt',
      'integer_above_max_value n',
      'unknown_parameter sise',
      'file_too_large image',
      'invalid_mask_image_format mask',
    ]);
  });
});

describe('a field only the JSON edit takes', () => {
  // `data:image/png;base64,` and four characters for three bytes make 20,971,520 characters.
  const most = ((20_971_520 - 'data:image/png;base64,'.length - 2) / 4) * 3;

  test('limits images to what a data URL holds', () => {
    expect(codesOf({ moderation: 'low' }, oneImage({ bytes: most }))).toEqual([]);
    expect(codesOf({}, oneImage({ bytes: most + 1 }))).toEqual([]);
    expect(problemsOf({ moderation: 'low' }, oneImage({ bytes: most + 1 }))).toEqual([
      [
        'file_too_large',
        'image',
        `Invalid file 'image': too large (${most + 1} bytes). Together with 'moderation' an image travels as a data URL of at most 20971520 characters, but it would have 20971522. Send a smaller image, or leave out 'moderation'.`,
      ],
    ]);
  });
});

describe('images of a request', () => {
  test('stand in its body by reference, in its input as shown too', () => {
    const images: InputImage[] = [
      { ...imageOf('images[0]'), shown: { file_id: 'file-1' } },
      { ...imageOf('images[1]', { format: 'jpeg' }), shown: { image_url: 'https://example.com/a.jpg' } },
      imageOf('images[2]'),
    ];
    const checked = check({ images: ['not looked at'] }, inputsOf({ images, mask: imageOf('mask') }));
    const png = { sha256: 'a'.repeat(64), content_type: 'image/png', bytes: 1_000, width: 1_024, height: 1_024 };
    const jpeg = { ...png, content_type: 'image/jpeg' };
    expect(checked.ok && checked.request).toMatchObject({
      references: null,
      sentAs: 'edit',
      body: { model: 'gpt-image-2.6-flare', prompt: 'x', images: [png, jpeg, png], mask: png },
      input: {
        prompt: 'x',
        images: [{ file_id: 'file-1', ...png }, { image_url: 'https://example.com/a.jpg', ...jpeg }, png],
        mask: png,
      },
    });
    expect(checked.ok && Object.keys(checked.request.body)).not.toContain('markup');
  });
});

describe('the mask of an image', () => {
  const transparent = inputsOf({ images: [imageOf('image'), imageOf('image[1]')] });
  const needsMask = (input: object, inputs: InputSet<InputImage>, policy: ModelPolicy = 'translate') => {
    const checked = check(input, inputs, policy);
    return checked.ok ? [checked.request.needsMaskFromImage, ...checked.request.warnings] : problemsOf(input, inputs);
  };
  const old = { model: 'dall-e-2', size: '1024x1024', quality: 'low' };

  test('is made where the model asked for took it from there, and the model called does not', () => {
    expect(needsMask(old, transparent)).toEqual([
      true,
      'model dall-e-2 was retired on 2026-05-12 and was translated to gpt-image-2.6-flare',
      'without a mask dall-e-2 edited the transparent area of the image: it was made the mask for gpt-image-2.6-flare',
      'cost of input images is known only afterwards; the images made cost at most $0.005915',
    ]);
  });

  test.each<[string, object, InputSet<InputImage>, ModelPolicy]>([
    ['a mask was given', old, inputsOf({ images: [imageOf('image')], mask: imageOf('mask') }), 'translate'],
    ['no pixel of the first image is transparent', old, inputsOf(), 'translate'],
    ['the upstream does it itself', { model: 'dall-e-2' }, oneImage({}), 'passthrough'],
    ['the model asked for did not do it', { model: 'dall-e-3' }, transparent, 'translate'],
    ['the model asked for did not do it', { model: 'gpt-image-1' }, transparent, 'translate'],
    ['the model asked for does not do it', { model: 'gpt-image-2' }, transparent, 'translate'],
    ['a markup was given', old, inputsOf({ images: [imageOf('image')], markup: imageOf('markup') }), 'translate'],
    ['the output takes no mask', { ...old, output_format: 'gif' }, transparent, 'translate'],
  ])('is not made when %s (%#)', (_, input, inputs, policy) => {
    expect(needsMask(input, inputs, policy)[0]).toBe(false);
  });

  test('that is lost is told', () => {
    expect(needsMask({ ...old, output_format: 'gif' }, transparent)).toContain(
      'without a mask dall-e-2 edited the transparent area of the image: for gif gpt-image-2.6-flare takes no mask, so all of it may change',
    );
  });

  test('that was given and marks nothing is told', () => {
    expect(needsMask({}, withMask({ isTransparent: false }))).toContain(
      'mask has no fully transparent pixel: it marks nothing to be edited',
    );
  });
});
