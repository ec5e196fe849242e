// The image formats Darkroom keeps: their content types, and how their bytes begin.
import type { ImageFormat } from './keys.ts';
import { measureSvg } from './svg.ts';

export type RasterFormat = Exclude<ImageFormat, 'svg'>;

export const CONTENT_TYPES: Readonly<Record<ImageFormat, string>> = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  svg: 'image/svg+xml',
};

/** How many bytes `sniffFormat` wants to see; SVG may start with comments. */
export const SNIFF_BYTES = 4_096;

const ascii = (bytes: Uint8Array, from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));

/** The format the bytes begin as, or null. Says nothing about whether the rest is whole. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | null {
  const start = ascii(bytes, 0, 12);
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (start.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (start.startsWith('RIFF') && start.endsWith('WEBP')) return 'webp';
  if (start.startsWith('GIF87a') || start.startsWith('GIF89a')) return 'gif';
  return measureSvg(bytes) === null ? null : 'svg';
}
