// Sends what lies in storage: whole, one byte range, or the headers alone.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { ImageStore } from '@darkroom/shared/images/store.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { parseByteRange } from './byte-range.ts';

export interface StoredBytes {
  readonly key: string;
  readonly bytes: number;
  readonly headers: Readonly<Record<string, string>> & { readonly etag: string };
  /** What is thrown when the bytes are gone. */
  readonly missing: () => ServiceError;
}

/** Knows `Range` and `If-Range`. Throws ServiceError `range_not_satisfiable`. */
export async function sendStored(
  store: ImageStore,
  { key, bytes, headers, missing }: StoredBytes,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const ifRange = request.headers['if-range'];
  const isSame = ifRange === undefined || ifRange === headers.etag;
  const range = isSame ? parseByteRange(request.headers.range, bytes) : 'whole';
  if (range === 'unsatisfiable') {
    throw new ServiceError('range_not_satisfiable', `There are ${bytes} bytes.`, {
      headers: { 'content-range': `bytes */${bytes}` },
    });
  }
  const found = await store.get(key, range === 'whole' ? undefined : range);
  if (found === null) throw missing();
  void reply.headers(headers);
  if (range === 'whole') return reply.header('content-length', found.info.bytes).send(found.body);
  return reply
    .code(206)
    .headers({
      'content-range': `bytes ${range.start}-${range.end}/${found.info.bytes}`,
      'content-length': range.end - range.start + 1,
    })
    .send(found.body);
}

/** The answer to HEAD, without touching the bytes. */
export async function sendStoredHead(
  store: ImageStore,
  { key, headers, missing }: StoredBytes,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const info = await store.head(key);
  if (info === null) throw missing();
  return reply.headers(headers).header('content-length', info.bytes).send();
}
