/** Reads a request body and holds it against everything the request claims about it. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { readBody } from '../http/body.ts';
import { decodeAwsChunked } from './aws-chunked.ts';
import { verifyChecksums } from './checksums.ts';
import { S3Error } from './s3-error.ts';
import { sha256, type Verified } from './sigv4.ts';

export interface Payload {
  data: Buffer;
  /** x-amz-checksum-* as sent, header or trailer. */
  checksums: Record<string, string>;
}

const MAX_BODY_BYTES = 512 * 1024 * 1024;

/** Throws S3Error when length, hash, chunk signatures or checksums do not match. */
export async function readPayload(req: IncomingMessage, verified: Verified): Promise<Payload> {
  const body = await readBody(req, MAX_BODY_BYTES);
  const { payloadHash } = verified;
  const headers = singleHeaders(req.headers);
  if (payloadHash.startsWith('STREAMING-')) {
    const decoded = decodeAwsChunked(body, verified, payloadHash.startsWith('STREAMING-AWS4-HMAC-SHA256'));
    const length = req.headers['x-amz-decoded-content-length'];
    if (length !== undefined && Number(length) !== decoded.data.length) throw new S3Error('IncompleteBody');
    return { data: decoded.data, checksums: verifyChecksums(decoded.data, [...headers, ...decoded.trailers]) };
  }
  if (payloadHash !== 'UNSIGNED-PAYLOAD' && payloadHash !== sha256(body)) {
    throw new S3Error('XAmzContentSHA256Mismatch');
  }
  return { data: body, checksums: verifyChecksums(body, headers) };
}

function singleHeaders(headers: IncomingHttpHeaders): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : []));
}
