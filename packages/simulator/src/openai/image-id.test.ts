import sharp from 'sharp';
import { expect, test } from 'vitest';
import { embedImageId, findImageId } from './image-id.ts';

const flat = (alpha: boolean) =>
  sharp({ create: { width: 33, height: 21, channels: alpha ? 4 : 3, background: { r: 9, g: 8, b: 7, alpha: 0.5 } } });

test.each([
  ['png', false],
  ['png', true],
  ['jpeg', false],
  ['webp', false],
  ['webp', true],
] as const)('an id in a %s (alpha: %s) is found and the picture is unchanged', async (format, alpha) => {
  const plain = await flat(alpha).toFormat(format).toBuffer();
  const marked = embedImageId(plain, format, 'sim_ab12_0000007');
  expect(findImageId(plain)).toBeNull();
  expect(findImageId(marked)).toBe('sim_ab12_0000007');
  const pixels = async (bytes: Buffer) => (await sharp(bytes).raw().toBuffer()).toString('hex');
  expect(await pixels(marked)).toBe(await pixels(plain));
});

test('an id of odd length keeps a WebP well formed', async () => {
  const marked = embedImageId(await flat(false).webp({ lossless: true }).toBuffer(), 'webp', 'sim_odd');
  expect(findImageId(marked)).toBe('sim_odd');
  expect((await sharp(marked).metadata()).width).toBe(33);
});

test.each([[[]], [[1, 2, 3]], [[0xff, 0xd8, 0xff]], [Array.from({ length: 64 }, () => 0)]])(
  'bytes %j carry none',
  (bytes) => {
    expect(findImageId(Uint8Array.from(bytes))).toBeNull();
  },
);
