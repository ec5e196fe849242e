import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inputKey } from '../images/keys.ts';
import { parseAllowPrivate } from '../net/address.ts';
import { openGuardedAgent } from '../net/guard.ts';
import { openInputDesk } from './desk.ts';
import { openTestDesk, type TestDesk } from './test-desk.ts';
import { canvas, inPieces, noise, withAlpha } from './test-images.ts';

let opened: TestDesk;
let png: Buffer;
let folder: string;

beforeAll(async () => {
  opened = await openTestDesk();
  png = await noise(300, 200, 3).png().toBuffer();
  const held = await opened.desk.receive('image', inPieces(png), 1_000_000);
  folder = dirname(held.path ?? '');
  await opened.desk.release([held]);
});
afterAll(() => opened.close());

const left = (): Promise<string[]> => readdir(folder);

/** An endless body, and how much of it was read. */
function endless(start: Uint8Array) {
  const seen = { bytes: 0, isStopped: false };
  async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let piece = start; ; piece = Buffer.alloc(10_000)) {
        seen.bytes += piece.length;
        yield piece;
      }
    } finally {
      seen.isStopped = true;
    }
  }
  return { seen, body: body() };
}

describe('receive', () => {
  test('writes the bytes to a file nobody else may read, and release removes it', async () => {
    const held = await opened.desk.receive('image', inPieces(png, 1_000), png.length);
    expect(held.facts).toMatchObject({ format: 'png', width: 300, bytes: png.length });
    expect((await readFile(held.path ?? '')).equals(png)).toBe(true);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(held.path ?? '')).mode & 0o777).toBe(0o600);
    await opened.desk.release([held, held]);
    await opened.desk.release([held]);
    expect(await left()).toEqual([]);
  });

  test('makes a new folder when the system has cleared the temporary ones', async () => {
    const { redis, keys, store } = opened.deps;
    const agent = openGuardedAgent({ allowPrivate: parseAllowPrivate('false') });
    const desk = await openInputDesk({ redis, keys, store, agent, maxUploadBytes: 1_000_000 });
    const first = await desk.receive('image', inPieces(png), png.length);
    await rm(dirname(first.path ?? ''), { recursive: true });
    const second = await desk.receive('image', inPieces(png), png.length);
    expect((await stat(dirname(second.path ?? ''))).mode & 0o777).toBe(0o700);
    await desk.close();
    await agent.close();
    await expect(stat(dirname(second.path ?? ''))).rejects.toThrow('ENOENT');
  });

  test('stops a body that is too large while it is read', async () => {
    const { seen, body } = endless(png);
    await expect(opened.desk.receive('image[1]', body, 500_000)).rejects.toMatchObject({
      code: 'file_too_large',
      status: 400,
      param: 'image[1]',
      message: "Invalid file 'image[1]': too large. It may have 500000 bytes at most.",
    });
    expect(seen.bytes).toBeLessThan(600_000);
    await expect.poll(() => seen.isStopped).toBe(true);
    expect(await left()).toEqual([]);
  });

  test('leaves nothing when the bytes are no image, the body breaks off, or the caller does', async () => {
    const failure = new Error('the caller left');
    async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
      yield png.subarray(0, 100);
      throw failure;
    }
    async function* silent(): AsyncGenerator<Uint8Array, void, undefined> {
      yield png.subarray(0, 100);
      await new Promise(() => undefined);
    }
    await expect(opened.desk.receive('image', inPieces(Buffer.from('text')), 100)).rejects.toMatchObject({
      code: 'unsupported_file_mimetype',
    });
    await expect(opened.desk.receive('image', broken(), 1_000)).rejects.toBe(failure);
    const aborted = new AbortController();
    const receiving = opened.desk.receive('image', silent(), 1_000, aborted.signal);
    aborted.abort(failure);
    await expect(receiving).rejects.toBe(failure);
    expect(await left()).toEqual([]);
  });

  test('an empty file is refused by name', async () => {
    await expect(opened.desk.receive('mask', inPieces(Buffer.alloc(0)), 100)).rejects.toMatchObject({
      code: 'unsupported_file_mimetype',
      param: 'mask',
    });
  });
});

describe('maskOf', () => {
  const alphaOf = async (path: string) =>
    [...(await sharp(path).extractChannel('alpha').raw().toBuffer())].map((value) => value);

  test('is transparent exactly where the image is fully transparent', async () => {
    const image = await withAlpha(3, 2, [0, 1, 128, 255, 254, 0]);
    const held = await opened.desk.receive('image', inPieces(image), 10_000);
    const mask = await opened.desk.maskOf('shop', held);
    expect(mask.facts).toMatchObject({ format: 'png', width: 3, height: 2, hasAlpha: true, isTransparent: true });
    expect(await alphaOf(mask.path ?? '')).toEqual([0, 255, 255, 255, 255, 0]);
    expect(await sharp(mask.path ?? '').metadata()).toMatchObject({ channels: 4, depth: 'uchar', space: 'srgb' });
    await opened.desk.release([held, mask]);
  });

  test.each([
    ['grey', () => canvas(5, 4, 0).toColourspace('b-w').png().toBuffer()],
    ['16 bits', () => canvas(5, 4, 0).toColourspace('rgb16').png().toBuffer()],
    ['WebP', () => canvas(5, 4, 0).webp().toBuffer()],
    ['palette', () => canvas(5, 4, 0).png({ palette: true }).toBuffer()],
  ])('knows the transparency of %s', async (_what, make) => {
    const held = await opened.desk.receive('image', inPieces(await make()), 10_000);
    const mask = await opened.desk.maskOf('shop', held);
    expect(await alphaOf(mask.path ?? '')).toEqual(Array.from({ length: 20 }, () => 0));
    await opened.desk.release([held, mask]);
  });

  test('is upright, as the image is measured', async () => {
    const image = await canvas(5, 4, 0).withMetadata({ orientation: 6 }).webp().toBuffer();
    const held = await opened.desk.receive('image', inPieces(image), 10_000);
    expect(held.facts).toMatchObject({ width: 4, height: 5 });
    const mask = await opened.desk.maskOf('shop', held);
    expect(mask.facts).toMatchObject({ width: 4, height: 5 });
    await opened.desk.release([held, mask]);
  });

  test('works on an image that is in storage alone, and leaves no copy of it', async () => {
    const image = await withAlpha(2, 1, [0, 255]);
    const held = await opened.desk.receive('image', inPieces(image), 10_000);
    await opened.desk.keep('shop', [held], Date.now());
    await opened.desk.release([held]);
    const mask = await opened.desk.maskOf('shop', { ...held, path: null });
    expect(await alphaOf(mask.path ?? '')).toEqual([0, 255]);
    await opened.desk.release([mask]);
    expect(await left()).toEqual([]);
  });

  test('is refused for an image without alpha, and for one whose mask is 4 MB or more', async () => {
    const opaque = await opened.desk.receive('image', inPieces(png), 1_000_000);
    const refused = { code: 'invalid_mask_image_format', param: 'mask' };
    await expect(opened.desk.maskOf('shop', opaque)).rejects.toMatchObject(refused);
    let random = 1;
    const next = (): number => {
      random = (random * 48_271) % 2_147_483_647;
      return random & 256 ? 255 : 0;
    };
    const pixels = Buffer.alloc(4_200 * 4_200 * 2);
    for (let at = 1; at < pixels.length; at += 2) pixels[at] = next();
    const speckled = await sharp(pixels, { raw: { width: 4_200, height: 4_200, channels: 2 } })
      .png({ compressionLevel: 1 })
      .toBuffer();
    const held = await opened.desk.receive('image', inPieces(speckled), 52_428_799);
    await expect(opened.desk.maskOf('shop', held)).rejects.toMatchObject({
      ...refused,
      message: expect.stringMatching(/made of the image it would have \d{7} bytes$/),
    });
    await opened.desk.release([opaque, held]);
  });
});

describe('keep', () => {
  test('stores bytes under account and hash, once', async () => {
    const held = await opened.desk.receive('image', inPieces(png), 1_000_000);
    const key = inputKey('keeper', held.facts.sha256);
    await opened.desk.keep('keeper', [held, held], Date.now());
    const stored = await opened.deps.store.head(key);
    expect(stored).toMatchObject({ bytes: png.length, contentType: 'image/png' });
    await opened.desk.keep('keeper', [held, { ...held, path: null }], Date.now());
    expect(await opened.deps.store.head(key)).toEqual(stored);
    await opened.desk.release([held]);
  });

  test('nothing is fine, and an image that is nowhere is told', async () => {
    await opened.desk.keep('keeper', [], Date.now());
    const { facts } = await opened.desk.receive('image', inPieces(png), 1_000_000);
    await expect(opened.desk.keep('nobody', [{ facts, path: null }], Date.now())).rejects.toMatchObject({
      code: 'input_lost',
    });
  });
});

test('a desk that closes leaves no folder', async () => {
  const { redis, keys, store } = opened.deps;
  const agent = { dispatcher: null as never, checkUrl: () => null, close: async () => undefined };
  const desk = await openInputDesk({ redis, keys, store, agent, maxUploadBytes: 1 });
  const held = await desk.receive('image', inPieces(png), 1_000_000);
  await desk.close();
  await expect(stat(dirname(held.path ?? ''))).rejects.toThrow('ENOENT');
  await desk.release([held]);
});
