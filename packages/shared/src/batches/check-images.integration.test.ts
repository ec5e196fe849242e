import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileKey } from '../images/keys.ts';
import { openTestDesk, type TestDesk } from '../inputs/test-desk.ts';
import { canvas } from '../inputs/test-images.ts';
import type { ValidateContext } from '../requests/validate.ts';
import { buildImageCheck } from './check-images.ts';
import { checkLines } from './check-lines.ts';

const CONTEXT: ValidateContext = {
  now: Date.parse('2026-11-22'),
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
};
const KEY = fileKey('shop', 'file-01k0000000000000000000000a');

let opened: TestDesk;
let [image, small] = ['', ''];

beforeAll(async () => {
  opened = await openTestDesk();
  image = await dataUrl(64, 64);
  small = await dataUrl(9, 9);
});
afterAll(() => opened.close());

async function dataUrl(width: number, height: number): Promise<string> {
  const bytes = await canvas(width, height, 0.5).png().toBuffer();
  return `data:image/png;base64,${bytes.toString('base64')}`;
}

async function check(bodies: readonly object[]) {
  const lines = bodies.map((body, at) =>
    JSON.stringify({ custom_id: `${at}`, url: '/v1/images/edits', body: { prompt: 'a hat', ...body } }),
  );
  const { store } = opened.deps;
  await store.put(KEY, Buffer.from(lines.join('\n')), { contentType: 'application/jsonl' });
  let valid = 0;
  const checkImages = buildImageCheck(opened.desk, 'shop');
  const checked = await checkLines({ store, checkImages }, KEY, null, CONTEXT, () => (valid += 1));
  return { ...checked, valid };
}

const images = (...references: object[]) => ({ images: references });

describe('the images of lines, before anything is spent', () => {
  test.each([
    ['a file that is not there', images({ file_id: 'file-nope' }), 'file_not_found', 'body.images[0].file_id'],
    [
      'a data URL of no image',
      images({ image_url: 'data:image/png;base64,aGVsbG8=' }),
      null,
      'body.images[0].image_url',
    ],
    [
      'a missing file beside a link',
      images({ image_url: 'https://example.com/a' }, { file_id: 'file-x' }),
      'file_not_found',
      null,
    ],
  ])('%s is told with its line', async (_, body, code, param) => {
    const found = await check([images({ image_url: image }), body]);
    expect(found).toMatchObject({ total: 2, invalid: 1, invalidImages: 1, valid: 1 });
    expect(found.problems).toMatchObject([
      { line: 2, ...(code === null ? {} : { code }), ...(param === null ? {} : { param }) },
    ]);
  });

  test('a mask of another size is told', async () => {
    const found = await check([{ ...images({ image_url: image }), mask: { image_url: small } }]);
    expect(found.problems).toMatchObject([{ line: 1, code: 'invalid_mask_image_format', param: 'body.mask' }]);
  });

  test('a link is not followed', async () => {
    const found = await check([images({ image_url: 'http://127.0.0.1:9/never' })]);
    expect(found).toMatchObject({ invalid: 0, valid: 1, problems: [] });
  });

  test('problems stand in the order of the lines, whatever took longer', async () => {
    const bad = images({ file_id: 'file-nope' });
    const found = await check([bad, { prompt: '' }, images({ image_url: image }), bad, ...Array(70).fill(bad)]);
    const lines = [...new Set(found.problems.map(({ line }) => line))];
    expect(lines).toEqual([1, 2, ...Array.from({ length: 71 }, (_, at) => at + 4)]);
    expect(found).toMatchObject({ total: 74, invalid: 73, invalidImages: 72, valid: 1 });
  });
});
