// HTTP as other clients than fetch write it: header names in any case, bodies chunked or counted, forms byte by byte.
import { type Agent, request as openRequest } from 'node:http';
import type { Reply } from './api.ts';

export interface RawRequest {
  /** Names are sent as they are written here. Without a content-length the body goes out chunked. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sent one by one. */
  readonly body: readonly Buffer[];
  readonly agent?: Agent;
}

export interface FormPart {
  readonly name: string;
  /** Of a file. */
  readonly filename?: string;
  /** The part's Content-Type; none is sent without it. */
  readonly type?: string;
  readonly data: string | Buffer;
}

/** POST, and the reply read to its end. */
export function postRaw(url: string, { headers, body, agent }: RawRequest): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = openRequest(url, { method: 'POST', headers, agent: agent ?? false }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on('data', (chunk: Buffer) => chunks.push(chunk));
      reply.once('error', reject).once('end', () => {
        const text = Buffer.concat(chunks).toString();
        const seen = new Headers(Object.entries(reply.headersDistinct).map(([name, values]) => [name, String(values)]));
        resolve({ status: reply.statusCode ?? 0, headers: seen, text, json: JSON.parse(text) as unknown });
      });
    });
    request.once('error', reject);
    for (const chunk of body) request.write(chunk);
    request.end();
  });
}

/** `multipart/form-data` as OkHttp 4 writes it: each part says how long it is. */
export function okHttpForm(boundary: string, parts: readonly FormPart[]): Buffer {
  return form(boundary, parts, ({ name, filename, type, data }) => [
    `Content-Disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}`,
    ...(type === undefined ? [] : [`Content-Type: ${type}`]),
    `Content-Length: ${Buffer.byteLength(data)}`,
  ]);
}

/** As Python's `requests` writes it: a part has a type only where its caller named one. */
export function requestsForm(boundary: string, parts: readonly FormPart[]): Buffer {
  return form(boundary, parts, ({ name, filename, type }) => [
    `Content-Disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}`,
    ...(type === undefined ? [] : [`Content-Type: ${type}`]),
  ]);
}

/** Legal, and seen from hand-written clients: the file name first, names of headers in lower case, no quotes. */
export function oddForm(boundary: string, parts: readonly FormPart[]): Buffer {
  return form(boundary, parts, ({ name, filename, type }) => [
    ...(type === undefined ? [] : [`content-type:${type}`]),
    `content-disposition: form-data; ${filename === undefined ? '' : `filename="${filename}"; `}name=${name}`,
  ]);
}

function form(boundary: string, parts: readonly FormPart[], headersOf: (part: FormPart) => readonly string[]): Buffer {
  const pieces = parts.flatMap((part) => [
    Buffer.from(`--${boundary}\r\n${headersOf(part).join('\r\n')}\r\n\r\n`),
    Buffer.from(part.data),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}
