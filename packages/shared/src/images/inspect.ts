// What image bytes are, measured from the bytes alone, and scaling down. sharp sees only bytes that begin as one of the
// four raster formats; libvips then takes that format's loader and no other (measured with SVG behind each of the four
// beginnings, sharp 0.35.5: refused as corrupt).
import { hash } from 'node:crypto';
import { ServiceError } from '../base/errors.ts';
import { Slots } from '../base/slots.ts';
import { CONTENT_TYPES, type RasterFormat, sniffFormat } from './formats.ts';
import type { ImageFormat } from './keys.ts';
import { readPngHeader } from './png-header.ts';
import { sharp } from './sharp.ts';
import { measureSvg, type SvgSize } from './svg.ts';

/** What the first bytes say, and how many there are. */
export interface ImageHeader {
  readonly format: ImageFormat;
  readonly contentType: string;
  /** Pixels as stored; of an animation, of one frame. SVG: the size it is shown at. */
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  /** Whether the format carries transparency here; says nothing about single pixels. */
  readonly hasAlpha: boolean;
}

export interface ImageFacts extends ImageHeader {
  /** Hex. */
  readonly sha256: string;
}

/** Four times the largest image OpenAI makes (3840 x 2160, 2026-11); a bomb is refused from its header in 1 ms. */
const MAX_PIXELS = 34_000_000;
const READ_OPTIONS = { limitInputPixels: MAX_PIXELS, failOn: 'error', sequentialRead: true } as const;

/**
 * Lets this process's sharp load nothing but PNG, JPEG, WebP and GIF from memory, and the first three from files (input
 * images, inputs/inspect-input.ts). Process-wide and lasting, so it is for main.ts to call, once; `inspectImage` is safe
 * without it, other uses of sharp in the process may not be.
 */
export function blockOtherLoaders(): void {
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({
    operation: [
      ...['Png', 'Jpeg', 'Webp', 'Nsgif'].map((name) => `VipsForeignLoad${name}Buffer`),
      ...['Png', 'Jpeg', 'Webp'].map((name) => `VipsForeignLoad${name}File`),
    ],
  });
}

function invalidImage(message: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_image', message, { cause });
}

async function measureRaster(bytes: Uint8Array, format: RasterFormat) {
  const plain = format === 'png' ? readPngHeader(bytes, MAX_PIXELS) : null;
  if (plain !== null) return plain;
  const found = await sharp(bytes, READ_OPTIONS)
    .metadata()
    .catch((error: unknown) => {
      throw invalidImage(`The image begins as ${format} but cannot be read.`, error);
    });
  if (found.format !== format) throw invalidImage(`The image begins as ${format} but is read as ${found.format}.`);
  return { width: found.width, height: found.height, hasAlpha: found.hasAlpha };
}

function svgSize(bytes: Uint8Array): SvgSize {
  const size = measureSvg(bytes);
  if (size === null) throw invalidImage('The SVG cannot be measured.');
  return size;
}

/**
 * Measures an image from its header; pixels are not decoded, so a damaged rest goes unseen. Throws ServiceError
 * `invalid_image` for anything that is not a PNG, JPEG, WebP, GIF or SVG, and for more than 34 million pixels.
 */
export async function inspectImage(bytes: Uint8Array): Promise<ImageFacts> {
  return { ...(await readHeader(bytes)), sha256: hash('sha256', bytes) };
}

/** The same without the hash, which takes longer than all else: 0.5 ms for 0.8 MB. */
export async function readHeader(bytes: Uint8Array): Promise<ImageHeader> {
  const format = sniffFormat(bytes);
  if (format === null) throw invalidImage('The bytes are not a PNG, JPEG, WebP, GIF or SVG image.');
  const size = format === 'svg' ? { ...svgSize(bytes), hasAlpha: true } : await measureRaster(bytes, format);
  return { format, contentType: CONTENT_TYPES[format], ...size, bytes: bytes.byteLength };
}

/** Some formats are decoded whole, up to 136 MB. */
const scaling = new Slots(4);

/**
 * The image scaled down to fit into `width` x `height`, its shape kept, encoded as `format`; animations keep their first
 * frame. Metadata embedded in the bytes is not carried over: the original keeps it. Never scales up. Throws ServiceError
 * `invalid_image` when the pixels cannot be decoded, and for SVG, which is not drawn here.
 */
export async function downscaleImage(
  bytes: Uint8Array,
  width: number,
  height: number,
  format: RasterFormat,
): Promise<Uint8Array> {
  const found = sniffFormat(bytes);
  if (found === null || found === 'svg') throw invalidImage('Only PNG, JPEG, WebP and GIF images can be scaled.');
  const scale = (): Promise<Buffer> =>
    sharp(bytes, READ_OPTIONS)
      .autoOrient()
      .resize({ width, height, fit: 'inside', withoutEnlargement: true })
      .toFormat(format)
      .toBuffer();
  return await scaling.run(scale).catch((error: unknown) => {
    throw invalidImage('The image cannot be decoded.', error);
  });
}
