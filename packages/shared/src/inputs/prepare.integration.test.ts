import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ServiceError } from '../base/errors.ts';
import type { InputImage, InputSet } from '../requests/inputs.ts';
import { validateSubmission } from '../requests/submission.ts';
import type { ValidateContext } from '../requests/validate.ts';
import type { TakenInput } from './held.ts';
import { keepUntil, prepareInputs } from './prepare.ts';
import { dataUrlOf, openTestDesk, type TestDesk } from './test-desk.ts';
import { canvas, inPieces, noise, withAlpha } from './test-images.ts';

const CONTEXT: ValidateContext = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
};

let opened: TestDesk;
let folder: string;

beforeAll(async () => {
  const before = await readdir(tmpdir());
  opened = await openTestDesk();
  const made = (await readdir(tmpdir())).filter(
    (name) => name.startsWith(`darkroom-inputs-${process.pid}-`) && !before.includes(name),
  );
  folder = join(tmpdir(), made[0] ?? '');
});
afterAll(() => opened.close());

const held = (): Promise<string[]> => readdir(folder);

function prepare(body: unknown, uploads: InputSet<TakenInput> | null = null) {
  const check = (inputs: InputSet<InputImage> | null) => validateSubmission(body, CONTEXT, inputs);
  return prepareInputs(opened.desk, 'shop', check, uploads);
}

async function edit(model: string, image: Uint8Array, more: object = {}) {
  const reference = dataUrlOf(image);
  const images = [{ image_url: reference.kind === 'data' ? reference.dataUrl : '' }];
  return { operation: 'edit', input: { model, prompt: 'a hat', images, ...more } };
}

describe('prepareInputs', () => {
  test('leaves a request without images as it is', async () => {
    const prepared = await prepare({
      operation: 'generation',
      input: { model: 'gpt-image-2.6-flare', prompt: 'a cat' },
    });
    expect(prepared.held).toEqual([]);
    expect(prepared.submission.request).toMatchObject({ operation: 'generation', references: null });
  });

  test('takes in what a body refers to, and checks what was measured', async () => {
    const image = await noise(64, 64, 3).png().toBuffer();
    const prepared = await prepare(await edit('gpt-image-2.6-flare', image));
    const { request } = prepared.submission;
    const ref = { content_type: 'image/png', bytes: image.length, width: 64, height: 64 };
    expect(request.references).toBeNull();
    expect(request.body['images']).toEqual([expect.objectContaining(ref)]);
    expect(JSON.stringify(request)).not.toContain('base64');
    expect(await held()).toHaveLength(1);
    await opened.desk.release(prepared.held);
    expect(await held()).toEqual([]);
  });

  test('makes the mask an old edit had in its image', async () => {
    const image = await withAlpha(2, 2, [0, 255, 255, 255]);
    const prepared = await prepare(await edit('dall-e-2', image));
    const { request } = prepared.submission;
    expect(request.needsMaskFromImage).toBe(false);
    const mask = { content_type: 'image/png', width: 2, height: 2, sha256: prepared.held[1]?.facts.sha256 };
    expect([request.body['mask'], request.input['mask']]).toEqual([
      expect.objectContaining(mask),
      expect.objectContaining(mask),
    ]);
    await opened.desk.release(prepared.held);
    expect(await held()).toEqual([]);
  });

  test.each<[string, () => Promise<unknown>, string[]]>([
    [
      'the body',
      async () => edit('gpt-image-2.6-flare', await canvas(9, 9).png().toBuffer(), { n: 99, promt: '' }),
      ['input.n', 'input.promt'],
    ],
    ['the bytes', async () => edit('gpt-image-2.6-flare', Buffer.from('text')), ['input.images[0].image_url']],
  ])('refuses for %s and holds nothing then', async (_what, make, params) => {
    const body = await make();
    const error: unknown = await prepare(body).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(ServiceError);
    const { param, details } = error as ServiceError;
    expect([param, ...details.map((each) => each.param)]).toEqual(expect.arrayContaining(params));
    expect(await held()).toEqual([]);
  });

  test('releases the uploads of a form that is refused', async () => {
    const image = await opened.desk.receive('image', inPieces(await noise(9, 9, 3).png().toBuffer()), 10_000);
    const uploads = {
      images: [{ image: { param: 'image', shown: {}, facts: image.facts }, held: image }],
      mask: null,
      markup: null,
    };
    await expect(prepare({ operation: 'edit', input: { n: 99 } }, uploads)).rejects.toBeInstanceOf(ServiceError);
    expect(await held()).toEqual([]);
  });
});

test('inputs are kept for the life of a job and the retention after it', () => {
  expect(keepUntil(1_000, 60, 5_000)).toBe(1_000 + 60_000 + 3_600_000 + 5_000);
  expect(keepUntil(1_000, 60, Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
});
