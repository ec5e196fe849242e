// What an input image is, measured from its bytes: its name and the type it was declared with are never looked at. The
// file is read from disk, never as a whole, and its pixels are decoded once, so that a damaged image is found before it
// is paid for.
//
// What follows the image in its file (a ZIP, a script) is no matter: it decodes, is served as what it is and with
// `nosniff`, and goes to the upstream as an image.
import { type FileHandle, open } from 'node:fs/promises';
import type { Slots } from '../base/slots.ts';
import { CONTENT_TYPES, SNIFF_BYTES, sniffFormat } from '../images/formats.ts';
import { sharp } from '../images/sharp.ts';
import type { InputFacts, InputFormat } from '../requests/inputs.ts';
import { isAnimated } from './animation.ts';
import type { AsideFile } from './held.ts';
import { LARGE_INPUT_PIXELS, MAX_INPUT_PIXELS } from './limits.ts';
import { mimetypeOf } from './mimetype.ts';
import { invalidImageFile, unsupportedFile } from './problems.ts';

const FORMATS: readonly string[] = ['png', 'jpeg', 'webp'] satisfies InputFormat[];
/** How many images of ordinary size a process decodes at once; a large one takes all places. */
export const DECODING_PLACES = 2;
const DECODING_SECONDS = 30;
/** `warning`: a JPEG whose data is corrupt but ends well is a warning, no error. Bad colour profiles are neither. */
const READ_OPTIONS = { limitInputPixels: MAX_INPUT_PIXELS, failOn: 'warning', sequentialRead: true } as const;

/** The format the bytes begin as; null for those that are not taken. */
export function inputFormatOf(head: Uint8Array): InputFormat | null {
  const format = sniffFormat(head);
  return format !== null && FORMATS.includes(format) ? (format as InputFormat) : null;
}

/**
 * Throws ServiceError with `param`: `unsupported_file_mimetype` for anything but PNG, JPEG and WebP, `invalid_image_file`
 * for an image that is cut off, corrupt, animated or has too many pixels (found in its header, before any is decoded).
 */
export async function inspectInput(
  param: string,
  { path, bytes, sha256 }: AsideFile,
  decoding: Slots,
  signal?: AbortSignal,
): Promise<InputFacts> {
  const format = await readFormat(param, path);
  const header = await readHeader(param, path, format);
  const { width, height } = header.autoOrient;
  const pixels = width * height;
  if (pixels > MAX_INPUT_PIXELS) throw invalidImageFile(param, tooManyPixels(width, height));
  const { hasAlpha } = header;
  const isTransparent = await decoding.run(() => decode(param, path, hasAlpha), placesFor(pixels), signal);
  return { sha256, bytes, format, contentType: CONTENT_TYPES[format], width, height, hasAlpha, isTransparent };
}

/** Of `DECODING_PLACES`. */
export function placesFor(pixels: number): number {
  return pixels > LARGE_INPUT_PIXELS ? DECODING_PLACES : 1;
}

function tooManyPixels(width: number, height: number): string {
  return `it has ${width}x${height} pixels. At most ${MAX_INPUT_PIXELS} are allowed, such as 8192x6144`;
}

async function readFormat(param: string, path: string): Promise<InputFormat> {
  const file = await open(path, 'r');
  try {
    const head = await readHead(file);
    const format = inputFormatOf(head);
    if (format === null) throw unsupportedFile(param, mimetypeOf(head));
    if (await isAnimated(file, format, head)) throw invalidImageFile(param, 'animations are not supported');
    return format;
  } finally {
    await file.close();
  }
}

async function readHead(file: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(SNIFF_BYTES), 0, SNIFF_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}

async function readHeader(param: string, path: string, format: InputFormat) {
  const header = await sharp(path, { ...READ_OPTIONS, limitInputPixels: false })
    .metadata()
    .catch((error: unknown) => {
      throw invalidImageFile(param, `it begins as ${format} but cannot be read`, error);
    });
  if (header.format !== format) {
    throw invalidImageFile(param, `it begins as ${format} but is read as ${header.format}`);
  }
  return header;
}

/** Whether a pixel is fully transparent, seen with 8 bits. One channel comes out, a byte a pixel; all are decoded. */
async function decode(param: string, path: string, hasAlpha: boolean): Promise<boolean> {
  const channel = await sharp(path, READ_OPTIONS)
    .timeout({ seconds: DECODING_SECONDS })
    .extractChannel(hasAlpha ? 'alpha' : 0)
    .raw()
    .toBuffer()
    .catch((error: unknown) => {
      throw invalidImageFile(param, 'it is cut off or damaged', error);
    });
  return hasAlpha && channel.includes(0);
}
