/** Decodes aws-chunked bodies: `size;chunk-signature=…` chunks, then trailers; verifies signatures where there are any. */
import { S3Error } from './s3-error.ts';
import { hmac, sameText, sha256, type Verified } from './sigv4.ts';

export interface Decoded {
  data: Buffer;
  /** Trailing headers, lower case. */
  trailers: Map<string, string>;
}

/** `signed`: whether chunks carry signatures, as x-amz-content-sha256 says. Throws S3Error. */
export function decodeAwsChunked(body: Buffer, verified: Verified, signed: boolean): Decoded {
  const chunks: Buffer[] = [];
  let previous = verified.signature;
  let at = 0;
  for (;;) {
    const lineEnd = body.indexOf('\r\n', at);
    const head = /^([0-9a-f]+)(?:;chunk-signature=([0-9a-f]+))?$/i.exec(
      body.toString('latin1', at, Math.max(at, lineEnd)),
    );
    if (lineEnd < 0 || head === null) throw new S3Error('IncompleteBody');
    const size = Number.parseInt(head[1] ?? '', 16);
    const data = body.subarray(lineEnd + 2, lineEnd + 2 + size);
    if (data.length !== size) throw new S3Error('IncompleteBody');
    if (signed) previous = requireChunkSignature(verified, previous, data, head[2] ?? '');
    at = lineEnd + 2 + size;
    if (size === 0)
      return { data: Buffer.concat(chunks), trailers: readTrailers(body.subarray(at), verified, previous, signed) };
    chunks.push(data);
    if (body.toString('latin1', at, at + 2) !== '\r\n') throw new S3Error('IncompleteBody');
    at += 2;
  }
}

function requireChunkSignature(verified: Verified, previous: string, data: Buffer, given: string): string {
  const toSign = ['AWS4-HMAC-SHA256-PAYLOAD', verified.date, verified.scope, previous, sha256(''), sha256(data)].join(
    '\n',
  );
  const expected = hmac(verified.signingKey, toSign).toString('hex');
  if (!sameText(expected, given)) throw new S3Error('SignatureDoesNotMatch');
  return expected;
}

function readTrailers(rest: Buffer, verified: Verified, previous: string, signed: boolean): Map<string, string> {
  const trailers = new Map<string, string>();
  for (const line of rest.toString('latin1').split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const signature = trailers.get('x-amz-trailer-signature');
  trailers.delete('x-amz-trailer-signature');
  if (!signed || trailers.size === 0) return trailers;
  const canonical = [...trailers].map(([name, value]) => `${name}:${value}\n`).join('');
  const toSign = ['AWS4-HMAC-SHA256-TRAILER', verified.date, verified.scope, previous, sha256(canonical)].join('\n');
  if (!sameText(hmac(verified.signingKey, toSign).toString('hex'), signature ?? '')) {
    throw new S3Error('SignatureDoesNotMatch');
  }
  return trailers;
}
