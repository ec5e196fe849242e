// multipart/form-data (RFC 7578) in parts. Written here because undici's own form turns every line break of a prompt
// into CRLF, and copies every file.
import type { UpstreamBody } from '@darkroom/shared/models/price.ts';
import { type BodyPart, textPart } from './body-parts.ts';

export interface FormFile {
  readonly name: string;
  readonly filename: string;
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

export function toFormParts(boundary: string, fields: UpstreamBody, files: readonly FormFile[]): BodyPart[] {
  const head = (disposition: string): string => `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n`;
  const texts = Object.entries(fields)
    .flatMap(([name, value]) => toTexts(name, value))
    .map(([name, text]) => `${head(`name="${name}"`)}\r\n${text}\r\n`);
  return [
    textPart(texts.join('')),
    ...files.flatMap(({ name, filename, contentType, bytes }) => [
      textPart(`${head(`name="${name}"; filename="${filename}"`)}Content-Type: ${contentType}\r\n\r\n`),
      { bytes },
      textPart('\r\n'),
    ]),
    textPart(`--${boundary}--\r\n`),
  ];
}

/** Objects and lists as the openai SDK writes them: `svg[effort]`, `name[]`. */
function toTexts(name: string, value: unknown): [name: string, text: string][] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => toTexts(`${name}[]`, item));
  if (typeof value !== 'object' || value === null) return [[name, String(value)]];
  return Object.entries(value).flatMap(([inner, item]) => toTexts(`${name}[${inner}]`, item));
}
