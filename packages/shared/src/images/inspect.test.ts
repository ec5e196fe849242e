import { createHash } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { sniffFormat } from './formats.ts';
import { blockOtherLoaders, downscaleImage, inspectImage } from './inspect.ts';

const canvas = (width: number, height: number, channels: 3 | 4 = 3) =>
  sharp({ create: { width, height, channels, background: { r: 200, g: 30, b: 30, alpha: 0.5 } } });

const INVALID = { name: 'ServiceError', code: 'invalid_image', status: 502 };
const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>';

/** A PNG that claims a size and holds next to nothing. */
function pngBomb(width: number, height: number): Buffer {
  const chunk = (name: string, data: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const body = Buffer.concat([Buffer.from(name), data]);
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, crc]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  const data = deflateSync(Buffer.alloc(1_000));
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

describe('an image', () => {
  test.each([
    ['png', 'image/png', 3, false],
    ['png', 'image/png', 4, true],
    ['jpeg', 'image/jpeg', 3, false],
    ['webp', 'image/webp', 4, true],
    ['webp', 'image/webp', 3, false],
  ] as const)('%s is measured from its bytes (%s, %d channels)', async (format, contentType, channels, hasAlpha) => {
    const bytes = await canvas(64, 48, channels).toFormat(format).toBuffer();
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(sniffFormat(bytes)).toBe(format);
    expect(await inspectImage(bytes)).toEqual({
      format,
      contentType,
      width: 64,
      height: 48,
      bytes: bytes.length,
      sha256,
      hasAlpha,
    });
  });

  test('an animation is as large as one frame', async () => {
    const frames = Buffer.alloc(20 * 40 * 3, 80).fill(200, 0, 900);
    const gif = await sharp(frames, { raw: { width: 20, height: 40, channels: 3, pageHeight: 10 } })
      .gif({ loop: 0 })
      .toBuffer();
    expect(await inspectImage(gif)).toMatchObject({ format: 'gif', contentType: 'image/gif', width: 20, height: 10 });
  });

  test('SVG is measured without being drawn', async () => {
    expect(await inspectImage(Buffer.from(SVG))).toMatchObject({
      format: 'svg',
      contentType: 'image/svg+xml',
      width: 10,
      height: 10,
    });
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(10_000)],
    ['HTML', Buffer.from('<!DOCTYPE html><html><body>502 Bad Gateway</body></html>')],
    ['JSON', Buffer.from('{"error":{}}')],
    ['a PNG signature alone', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')],
    ['a GIF signature alone', Buffer.from('GIF89a')],
    ['TIFF', Buffer.from('II*\0\x08\0\0\0\0\0\0\0\0\0', 'latin1')],
    ['PDF', Buffer.from('%PDF-1.7\n')],
    ['gzipped SVG', Buffer.from('\x1f\x8b\x08\0\0\0\0\0', 'latin1')],
  ])('%s is none', async (_name, bytes) => {
    await expect(inspectImage(bytes)).rejects.toMatchObject(INVALID);
  });

  test.each([
    ['png', '\x89PNG\r\n\x1a\n'],
    ['jpeg', '\xff\xd8\xff'],
    ['webp', 'RIFF\x40\0\0\0WEBP'],
    ['gif', 'GIF89a'],
  ])('SVG behind the signature of a %s reaches no other loader', async (_format, signature) => {
    const bytes = Buffer.concat([Buffer.from(signature, 'latin1'), Buffer.from(SVG)]);
    await expect(inspectImage(bytes)).rejects.toMatchObject(INVALID);
    await expect(downscaleImage(bytes, 5, 5, 'png')).rejects.toMatchObject(INVALID);
  });

  test('a bomb is refused by its header', async () => {
    expect(await inspectImage(pngBomb(5_000, 6_000))).toMatchObject({ width: 5_000, height: 6_000 });
    await expect(inspectImage(pngBomb(16_000, 16_000))).rejects.toMatchObject(INVALID);
  });
});

describe('scaling down', () => {
  test.each(['png', 'jpeg', 'webp', 'gif'] as const)('fits the box and comes as %s', async (format) => {
    const bytes = await canvas(1_024, 1_024).png().toBuffer();
    const scaled = await downscaleImage(bytes, 256, 256, format);
    expect(await inspectImage(scaled)).toMatchObject({ format, width: 256, height: 256 });
  });

  test('keeps the shape and never scales up', async () => {
    const bytes = await canvas(400, 100, 4).png().toBuffer();
    expect(await inspectImage(await downscaleImage(bytes, 200, 200, 'png'))).toMatchObject({
      width: 200,
      height: 50,
      hasAlpha: true,
    });
    expect(await inspectImage(await downscaleImage(bytes, 800, 800, 'png'))).toMatchObject({ width: 400, height: 100 });
  });

  test('fails on pixels that are cut off, on SVG and on no image', async () => {
    const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, at) => (at * 7_919) % 251));
    const whole = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .png()
      .toBuffer();
    await expect(downscaleImage(whole.subarray(0, whole.length / 2), 32, 32, 'png')).rejects.toMatchObject(INVALID);
    await expect(downscaleImage(Buffer.from(SVG), 32, 32, 'png')).rejects.toMatchObject(INVALID);
    await expect(downscaleImage(Buffer.from('no'), 32, 32, 'png')).rejects.toMatchObject(INVALID);
  });
});

// Last in this file: it holds for the rest of the process.
test('a process can forbid every other loader, and inspection goes on', async () => {
  const bytes = await canvas(8, 8).png().toBuffer();
  const tiff = await canvas(8, 8).tiff().toBuffer();
  blockOtherLoaders();
  expect(await inspectImage(bytes)).toMatchObject({ width: 8 });
  for (const format of ['jpeg', 'webp', 'gif'] as const) {
    expect(await inspectImage(await downscaleImage(bytes, 4, 4, format))).toMatchObject({ format, width: 4 });
  }
  await expect(sharp(Buffer.from(SVG)).metadata()).rejects.toThrow();
  await expect(sharp(tiff).metadata()).rejects.toThrow();
});
