// For tests: forms written by hand, byte by byte, as other clients would send them or better not.
import { SHOP_KEY, type TestApi } from './start-api.ts';

export interface Part {
  readonly name?: string;
  /** Absent: a field. */
  readonly filename?: string;
  readonly type?: string;
  readonly value: string | Uint8Array;
}

export const BATCH: Part = { name: 'purpose', value: 'batch' };
export const LINES: Part = { name: 'file', filename: 'lines.jsonl', type: 'application/jsonl', value: '{"a":1}\n' };

export function headOf({ name, filename, type }: Omit<Part, 'value'>): string {
  const disposition = [
    'form-data',
    ...(name === undefined ? [] : [`name="${name}"`]),
    ...(filename === undefined ? [] : [`filename="${filename}"`]),
  ];
  const lines = [
    `Content-Disposition: ${disposition.join('; ')}`,
    ...(type === undefined ? [] : [`Content-Type: ${type}`]),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

export function encodeForm(parts: readonly Part[], boundary: string): Buffer {
  const encoded = parts.flatMap((part) => [
    Buffer.from(`--${boundary}\r\n${headOf(part)}`),
    Buffer.from(part.value),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...encoded, Buffer.from(`--${boundary}--\r\n`)]);
}

export function postForm(
  api: TestApi,
  parts: readonly Part[],
  boundary = 'darkroom-boundary',
  path = '/v1/files',
  headers: Record<string, string> = {},
) {
  return postBytes(api, encodeForm(parts, boundary), `multipart/form-data; boundary="${boundary}"`, path, headers);
}

export function postBytes(
  api: TestApi,
  body: Uint8Array<ArrayBuffer> | Buffer,
  contentType: string,
  path = '/v1/files',
  headers: Record<string, string> = {},
) {
  return api.ask(path, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'content-type': contentType, ...headers },
  });
}

/** The head of a raw HTTP/1.1 upload, up to the body. */
export function rawUploadHead(boundary: string, path = '/v1/files'): string {
  const lines = [
    `POST ${path} HTTP/1.1`,
    'host: darkroom.test',
    `authorization: Bearer ${SHOP_KEY}`,
    `content-type: multipart/form-data; boundary=${boundary}`,
    'transfer-encoding: chunked',
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

export function httpChunk(bytes: string | Uint8Array): Buffer {
  const chunk = Buffer.from(bytes);
  return Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]);
}
