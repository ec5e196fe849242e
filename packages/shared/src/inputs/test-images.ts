// TEST ONLY. Input images of all sorts, good and bad, and bodies that bring them.
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';

export function canvas(width: number, height: number, alpha: number | null = null) {
  const background = { r: 200, g: 30, b: 30, alpha: alpha ?? 1 };
  return sharp({ create: { width, height, channels: alpha === null ? 3 : 4, background } });
}

/** Pixels that do not compress, so that a cut in the file is a cut in the pixels. */
export function noise(width: number, height: number, channels: 1 | 3 | 4) {
  const bytes = Buffer.from(Array.from({ length: width * height * channels }, (_, at) => 1 + ((at * 7_919) % 251)));
  return sharp(bytes, { raw: { width, height, channels } });
}

/** An RGBA PNG with the given alpha of each pixel, row by row. */
export function withAlpha(width: number, height: number, alpha: readonly number[]): Promise<Buffer> {
  const bytes = Buffer.from(alpha.flatMap((value) => [10, 20, 30, value]));
  return sharp(bytes, { raw: { width, height, channels: 4 } })
    .png()
    .toBuffer();
}

export function chunk(name: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const body = Buffer.concat([Buffer.from(name), data]);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, crc]);
}

export const PNG_SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

interface Header {
  readonly depth?: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA. */
  readonly colour?: number;
}

/** A PNG made by hand: `rows` are the bytes of the pixels, each row led by its filter. */
export function handmadePng(
  width: number,
  height: number,
  rows: Buffer,
  { depth = 8, colour = 2 }: Header = {},
  beforePixels: readonly Buffer[] = [],
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour], 8);
  const pixels = chunk('IDAT', deflateSync(rows));
  return Buffer.concat([PNG_SIGNATURE, chunk('IHDR', header), ...beforePixels, pixels, chunk('IEND')]);
}

/** It claims a size and holds next to nothing. */
export function bomb(width: number, height: number): Buffer {
  return handmadePng(width, height, Buffer.alloc(1_000));
}

/** A whole PNG that says it is an animation of one frame. */
export function animatedPng(): Buffer {
  const control = Buffer.alloc(8);
  control.writeUInt32BE(1, 0);
  return handmadePng(1, 1, Buffer.from([0, 1, 2, 3]), {}, [chunk('acTL', control)]);
}

export function animatedWebp(): Promise<Buffer> {
  const frames = Buffer.alloc(20 * 40 * 3, 80).fill(200, 0, 900);
  return sharp(frames, { raw: { width: 20, height: 40, channels: 3, pageHeight: 10 } })
    .webp({ loop: 0 })
    .toBuffer();
}

export async function* inPieces(bytes: Uint8Array, pieceBytes = 65_536): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
