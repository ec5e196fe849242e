import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Slots } from '../base/slots.ts';
import { blockOtherLoaders } from '../images/inspect.ts';
import type { InputFacts } from '../requests/inputs.ts';
import { DECODING_PLACES, inspectInput } from './inspect-input.ts';
import { MAX_INPUT_PIXELS } from './limits.ts';
import {
  animatedPng,
  animatedWebp,
  bomb,
  canvas,
  chunk,
  handmadePng,
  noise,
  PNG_SIGNATURE,
  withAlpha,
} from './test-images.ts';

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>';
const decoding = new Slots(DECODING_PLACES);
let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-inspect-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function inspect(bytes: Uint8Array, name = 'input'): Promise<InputFacts> {
  files += 1;
  const path = join(folder, `${files}-${name}`);
  await writeFile(path, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return await inspectInput('image[0]', { path, bytes: bytes.length, sha256 }, decoding);
}

const unsupported = (mimetype: string) => ({
  name: 'ServiceError',
  code: 'unsupported_file_mimetype',
  type: 'invalid_request_error',
  status: 400,
  param: 'image[0]',
  message: `Invalid file 'image[0]': unsupported mimetype ('${mimetype}'). Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'.`,
});
const INVALID = {
  name: 'ServiceError',
  code: 'invalid_image_file',
  type: 'image_generation_user_error',
  status: 400,
  param: 'image[0]',
};

describe('what is measured', () => {
  test.each(['png', 'jpeg', 'webp'] as const)('of a %s', async (format) => {
    const bytes = await noise(64, 48, 3).toFormat(format).toBuffer();
    expect(await inspect(bytes)).toEqual({
      sha256: createHash('sha256').update(bytes).digest('hex'),
      bytes: bytes.length,
      format,
      contentType: `image/${format}`,
      width: 64,
      height: 48,
      hasAlpha: false,
      isTransparent: false,
    });
  });

  test.each<[string, () => Promise<Buffer> | Buffer, Partial<InputFacts>]>([
    ['an opaque alpha channel', () => canvas(9, 9, 1).png().toBuffer(), { hasAlpha: true, isTransparent: false }],
    ['half transparent pixels', () => canvas(9, 9, 0.5).png().toBuffer(), { hasAlpha: true, isTransparent: false }],
    ['one transparent pixel', () => withAlpha(3, 1, [255, 0, 255]), { hasAlpha: true, isTransparent: true }],
    ['a transparent WebP', () => canvas(9, 9, 0).webp().toBuffer(), { hasAlpha: true, isTransparent: true }],
    ['a lossless WebP', () => canvas(9, 9, 0).webp({ lossless: true }).toBuffer(), { isTransparent: true }],
    ['grey', () => noise(9, 9, 1).png().toBuffer(), { hasAlpha: false }],
    ['a palette', () => noise(9, 9, 3).png({ palette: true }).toBuffer(), { hasAlpha: false }],
    ['16 bits', () => noise(9, 9, 4).toColourspace('rgb16').png().toBuffer(), { hasAlpha: true, isTransparent: false }],
    ['16 bits, transparent', () => canvas(9, 9, 0).toColourspace('rgb16').png().toBuffer(), { isTransparent: true }],
    ['interlaced', () => canvas(9, 9, 0).png({ progressive: true }).toBuffer(), { isTransparent: true }],
    ['progressive', () => noise(9, 9, 3).jpeg({ progressive: true }).toBuffer(), { hasAlpha: false }],
    ['CMYK', () => noise(9, 9, 3).toColourspace('cmyk').jpeg().toBuffer(), { format: 'jpeg', hasAlpha: false }],
  ])('%s', async (_what, make, expected) => {
    expect(await inspect(await make())).toMatchObject({ width: expect.any(Number), isTransparent: false, ...expected });
  });

  test.each([
    ['palette', { colour: 3 }, Buffer.from([0, 0, 1]), [chunk('PLTE', Buffer.from([1, 2, 3, 4, 5, 6]))], [255, 0]],
    ['grey', { colour: 0 }, Buffer.from([0, 7, 8]), [], [0, 8]],
    ['RGB', { colour: 2 }, Buffer.from([0, 1, 2, 3, 4, 5, 6]), [], [0, 4, 0, 5, 0, 6]],
    ['16-bit grey', { colour: 0, depth: 16 }, Buffer.from([0, 0, 7, 0, 8]), [], [0, 8]],
  ] as const)('a PNG whose tRNS makes a pixel transparent: %s', async (_what, header, rows, before, transparency) => {
    const opaque = handmadePng(2, 1, rows, header, before);
    expect(await inspect(opaque)).toMatchObject({ hasAlpha: false, isTransparent: false });
    const chunks = [...before, chunk('tRNS', Buffer.from(transparency))];
    expect(await inspect(handmadePng(2, 1, rows, header, chunks))).toMatchObject({
      hasAlpha: true,
      isTransparent: true,
      width: 2,
      height: 1,
    });
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('the size as a JPEG of orientation %i is shown', async (orientation) => {
    const bytes = await noise(40, 20, 3).withMetadata({ orientation }).jpeg().toBuffer();
    const [width, height] = orientation < 5 ? [40, 20] : [20, 40];
    expect(await inspect(bytes)).toMatchObject({ width, height });
  });

  test('the name says nothing', async () => {
    expect(await inspect(await canvas(4, 4).png().toBuffer(), 'photo.svg')).toMatchObject({ format: 'png' });
    await expect(inspect(Buffer.from(SVG), 'photo.png')).rejects.toMatchObject(unsupported('image/svg+xml'));
  });
});

describe('refused as another kind of file', () => {
  test.each<[string, () => Promise<Buffer> | Buffer, string]>([
    ['SVG', () => Buffer.from(SVG), 'image/svg+xml'],
    ['SVG behind a comment', () => Buffer.from(`<!-- \x89PNG -->${SVG}`, 'latin1'), 'image/svg+xml'],
    ['GIF', () => canvas(4, 4).gif().toBuffer(), 'image/gif'],
    ['TIFF', () => canvas(4, 4).tiff().toBuffer(), 'image/tiff'],
    ['AVIF', () => canvas(16, 16).avif().toBuffer(), 'image/avif'],
    ['PDF', () => Buffer.from('%PDF-1.7\n'), 'application/pdf'],
    ['HTML', () => Buffer.from('<!DOCTYPE html><html></html>'), 'text/html'],
    ['ZIP', () => Buffer.from('PK\x03\x04rest', 'latin1'), 'application/zip'],
    ['zeros', () => Buffer.alloc(5_000), 'application/octet-stream'],
    ['a signature with a byte missing', () => PNG_SIGNATURE.subarray(1), 'application/octet-stream'],
  ])('%s', async (_what, make, mimetype) => {
    await expect(inspect(await make())).rejects.toMatchObject(unsupported(mimetype));
  });

  test('no bytes at all', async () => {
    await expect(inspect(Buffer.alloc(0))).rejects.toMatchObject({
      code: 'unsupported_file_mimetype',
      message: expect.stringContaining("Invalid file 'image[0]': it is empty."),
    });
  });
});

describe('refused as damaged', () => {
  const whole: Record<string, () => Promise<Buffer>> = {
    png: () => noise(90, 60, 4).png().toBuffer(),
    'interlaced png': () => noise(90, 60, 4).png({ progressive: true }).toBuffer(),
    jpeg: () => noise(90, 60, 3).jpeg().toBuffer(),
    'progressive jpeg': () => noise(90, 60, 3).jpeg({ progressive: true }).toBuffer(),
    webp: () => noise(90, 60, 4).webp().toBuffer(),
    'lossless webp': () => noise(90, 60, 4).webp({ lossless: true }).toBuffer(),
  };

  test.each(Object.keys(whole))('a %s that ends too soon, wherever', async (name) => {
    const bytes = (await whole[name]?.()) ?? Buffer.alloc(0);
    for (const share of [0.02, 0.3, 0.6, 0.95]) {
      await expect(inspect(bytes.subarray(0, Math.max(16, bytes.length * share)))).rejects.toMatchObject(INVALID);
    }
    expect(await inspect(bytes)).toMatchObject({ width: 90 });
  });

  // JPEG and lossy WebP have no checksums: flipped bits are another picture.
  test.each(['png', 'interlaced png', 'lossless webp'])('a %s with flipped bits', async (name) => {
    const bytes = Buffer.from((await whole[name]?.()) ?? '');
    for (let at = bytes.length >> 1; at < (bytes.length >> 1) + 200; at += 7) bytes[at] = (bytes[at] ?? 0) ^ 0x55;
    await expect(inspect(bytes)).rejects.toMatchObject(INVALID);
  });

  test.each(['\x89PNG\r\n\x1a\n', '\xff\xd8\xff', 'RIFF\x40\0\0\0WEBP'])(
    'SVG behind the signature %j',
    async (start) => {
      await expect(inspect(Buffer.from(start + SVG, 'latin1'))).rejects.toMatchObject(INVALID);
    },
  );
});

describe('refused as an animation', () => {
  test.each([
    ['APNG', animatedPng],
    ['WebP', animatedWebp],
    [
      'a PNG that hides behind chunks',
      () =>
        handmadePng(
          1,
          1,
          Buffer.from([0, 1, 2, 3]),
          {},
          Array.from({ length: 1_001 }, () => chunk('tEXt')),
        ),
    ],
  ])('%s', async (_what, make) => {
    await expect(inspect(await make())).rejects.toMatchObject({
      ...INVALID,
      message: expect.stringContaining('animations are not supported'),
    });
  });
});

describe('an image that is something else as well', () => {
  test.each(['<svg/><script>alert(1)</script>', 'PK\x03\x04', '<html></html>'])(
    '%j behind it is no matter',
    async (tail) => {
      for (const format of ['png', 'jpeg', 'webp'] as const) {
        const bytes = Buffer.concat([await noise(20, 20, 3).toFormat(format).toBuffer(), Buffer.from(tail, 'latin1')]);
        expect(await inspect(bytes)).toMatchObject({ format, bytes: bytes.length });
      }
    },
  );
});

describe('pixels', () => {
  test.each([
    [16_000, 16_000],
    [100_000, 100_000],
    [1_000_000, 51],
    [2_147_483_647, 2_147_483_647],
    [8_193, 6_144],
  ])('%i x %i are too many, and told from the header', async (width, height) => {
    const began = performance.now();
    const error: unknown = await inspect(bomb(width, height)).catch((failure: unknown) => failure);
    expect(error).toMatchObject(INVALID);
    // libpng itself stops at a million a side.
    if (Math.max(width, height) <= 1_000_000) {
      expect((error as Error).message).toContain(`it has ${width}x${height} pixels. At most ${MAX_INPUT_PIXELS} are`);
    }
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  test('a bomb of text, of which nothing is shown, costs nothing', async () => {
    const text = Buffer.concat([Buffer.from('a\0\0'), deflateSync(Buffer.alloc(50_000_000))]);
    const began = performance.now();
    const png = handmadePng(1, 1, Buffer.from([0, 1, 2, 3]), {}, [chunk('zTXt', text), chunk('iCCP', text)]);
    expect(await inspect(png)).toMatchObject({ width: 1 });
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

// Last in this file: it holds for the rest of the process.
test('a process that forbids every other loader can inspect', async () => {
  blockOtherLoaders();
  for (const format of ['png', 'jpeg', 'webp'] as const) {
    expect(await inspect(await noise(20, 20, 3).toFormat(format).toBuffer())).toMatchObject({ format });
  }
  const path = join(folder, 'x.svg');
  await writeFile(path, SVG);
  await expect(sharp(path).metadata()).rejects.toThrow();
});
