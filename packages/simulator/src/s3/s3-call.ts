/** One request to the S3 server: what it addresses, and ways to answer it. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { sendBody } from '../http/reply.ts';
import type { MultipartUploads } from './multipart-uploads.ts';
import type { ObjectStore } from './object-store.ts';
import { errorXml, S3Error } from './s3-error.ts';
import { decode, type Verified } from './sigv4.ts';

export interface S3Call {
  req: IncomingMessage;
  res: ServerResponse;
  method: string;
  bucket: string;
  /** '' when the bucket itself is meant. */
  key: string;
  query: URLSearchParams;
  requestId: string;
  store: ObjectStore;
  uploads: MultipartUploads;
  verified: Verified;
  /** Set by the fault `overlook_conditions`: a write is not conditional. */
  overlooksConditions: boolean;
  /** Set by the `slow` fault. */
  bytesPerSecond: number | null;
  closing: AbortSignal;
}

/** Path style (`/bucket/key`) or, when the host starts with a known bucket's name, virtual-host style (`/key`). */
export function addressOf(
  host: string | undefined,
  path: string,
  buckets: readonly string[],
): { bucket: string; key: string } {
  const decoded = decode(path).slice(1);
  const virtual = buckets.find((bucket) => host?.startsWith(`${bucket}.`));
  if (virtual !== undefined) return { bucket: virtual, key: decoded };
  const slash = decoded.indexOf('/');
  return slash < 0 ? { bucket: decoded, key: '' } : { bucket: decoded.slice(0, slash), key: decoded.slice(slash + 1) };
}

export function newRequestId(): string {
  return randomBytes(8).toString('hex').toUpperCase();
}

export function sendXml(call: S3Call, xml: string): void {
  sendBody(call.res, 200, xml, { ...commonHeaders(call.requestId), 'content-type': 'application/xml' });
}

export function sendEmpty(call: S3Call, status: number, headers: OutgoingHttpHeaders = {}): void {
  const length = status === 204 || status === 304 ? {} : { 'content-length': 0 };
  call.res.writeHead(status, { ...commonHeaders(call.requestId), ...length, ...headers });
  call.res.end();
}

export function sendError(res: ServerResponse, error: S3Error, resource: string, requestId: string): void {
  if (res.req.method === 'HEAD') {
    res.writeHead(error.status, commonHeaders(requestId));
    res.end();
    return;
  }
  const headers = { ...commonHeaders(requestId), 'content-type': 'application/xml' };
  sendBody(res, error.status, errorXml(error.code, error.message, resource, requestId), headers);
}

export function commonHeaders(requestId: string): Record<string, string> {
  return { 'x-amz-request-id': requestId, 'x-amz-id-2': 'simulator', server: 'AmazonS3' };
}

export function requireBucket(call: S3Call): void {
  if (!call.store.hasBucket(call.bucket)) throw new S3Error('NoSuchBucket');
}
