// What bytes are, told from how they begin: enough to name what was sent instead of an image we take.
import { CONTENT_TYPES, sniffFormat } from '../images/formats.ts';

/** Signatures as Latin-1, where they stand, and what they stand for. */
const SIGNATURES: readonly (readonly [at: number, signature: string, mimetype: string])[] = [
  [0, 'II*\0', 'image/tiff'],
  [0, 'MM\0*', 'image/tiff'],
  [0, 'II+\0', 'image/tiff'],
  [0, 'BM', 'image/bmp'],
  [0, '\0\0\x01\0', 'image/vnd.microsoft.icon'],
  [0, '8BPS', 'image/vnd.adobe.photoshop'],
  [0, '\xff\x0a', 'image/jxl'],
  [4, 'JXL \r\n', 'image/jxl'],
  [4, 'ftypavif', 'image/avif'],
  [4, 'ftypavis', 'image/avif'],
  [4, 'ftyphei', 'image/heic'],
  [4, 'ftyphev', 'image/heic'],
  [4, 'ftypmif1', 'image/heif'],
  [4, 'ftypmsf1', 'image/heif'],
  [4, 'ftyp', 'video/mp4'],
  [0, '%PDF-', 'application/pdf'],
  [0, 'PK\x03\x04', 'application/zip'],
  [0, '\x1f\x8b', 'application/gzip'],
];

/** What a text begins with, in lower case. */
const TEXTS: readonly (readonly [start: RegExp, mimetype: string])[] = [
  [/^<!doctype html|^<html/, 'text/html'],
  [/^<\?xml/, 'application/xml'],
  [/^[{[]/, 'application/json'],
];

const OTHER = 'application/octet-stream';

/** `head`: the first bytes, `SNIFF_BYTES` of them if there are so many. Null when there is none. */
export function mimetypeOf(head: Uint8Array): string | null {
  if (head.length === 0) return null;
  const format = sniffFormat(head);
  if (format !== null) return CONTENT_TYPES[format];
  const start = Buffer.from(head.subarray(0, 16)).toString('latin1');
  const known = SIGNATURES.find(([at, signature]) => start.startsWith(signature, at));
  return known?.[2] ?? textTypeOf(head) ?? OTHER;
}

function textTypeOf(head: Uint8Array): string | null {
  const text = new TextDecoder().decode(head, { stream: true }).trimStart(); // its last character may be cut
  if (/\ufffd|(?!\s)\p{Cc}/u.test(text)) return null;
  return TEXTS.find(([start]) => start.test(text.slice(0, 100).toLowerCase()))?.[1] ?? 'text/plain';
}
