/**
 * Verifies AWS Signature Version 4 for S3, in the Authorization header and in the query of a presigned link.
 * Follows the public specification; paths are encoded once, as S3 wants it.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { S3Error } from './s3-error.ts';

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  region: string;
}

export interface SignedRequest {
  method: string;
  /** As sent, percent-encoded, without the query. */
  path: string;
  /** As sent, without the question mark. */
  query: string;
  headers: IncomingHttpHeaders;
}

/** What verified the request, as needed to verify signed chunks of its body. */
export interface Verified {
  signature: string;
  signingKey: Buffer;
  /** YYYYMMDDTHHMMSSZ */
  date: string;
  scope: string;
  /** The x-amz-content-sha256 that was signed. */
  payloadHash: string;
}

interface Claim {
  accessKeyId: string;
  /** day/region/s3/aws4_request */
  scope: string;
  date: string;
  signedHeaders: string[];
  signature: string;
  payloadHash: string;
  /** Without the signature itself. */
  query: [string, string][];
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const MAX_SKEW_MS = 15 * 60_000;
const MAX_EXPIRES_SECONDS = 7 * 24 * 3600;

/** Throws S3Error (403, or 400 for what cannot be read). */
export function verifySignature(request: SignedRequest, credentials: Credentials, nowMs: number): Verified {
  const query = parseQuery(request.query);
  const presigned = query.some(([name]) => name === 'X-Amz-Signature');
  const claim = presigned ? claimOfQuery(query, nowMs) : claimOfHeaders(request.headers, query, nowMs);
  if (claim.accessKeyId !== credentials.accessKeyId) throw new S3Error('InvalidAccessKeyId');
  requireScope(claim, credentials.region);
  const toSign = [ALGORITHM, claim.date, claim.scope, sha256(canonicalRequest(request, claim))].join('\n');
  const signingKey = signingKeyOf(credentials.secretAccessKey, claim.scope);
  if (!sameText(hmac(signingKey, toSign).toString('hex'), claim.signature)) throw new S3Error('SignatureDoesNotMatch');
  const { signature, date, scope, payloadHash } = claim;
  return { signature, signingKey, date, scope, payloadHash };
}

export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

export function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

export function sameText(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function claimOfHeaders(headers: IncomingHttpHeaders, query: [string, string][], nowMs: number): Claim {
  const authorization = headers.authorization;
  if (authorization === undefined) throw new S3Error('AccessDenied');
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]+)$/.exec(
      authorization,
    );
  const date = headers['x-amz-date'];
  if (match === null || typeof date !== 'string') throw new S3Error('AuthorizationHeaderMalformed');
  if (Math.abs(parseDate(date) - nowMs) > MAX_SKEW_MS) throw new S3Error('RequestTimeTooSkewed');
  const payloadHash = headers['x-amz-content-sha256'];
  if (typeof payloadHash !== 'string')
    throw new S3Error('InvalidRequest', 'Missing required header: x-amz-content-sha256');
  const [, accessKeyId = '', scope = '', signed = '', signature = ''] = match;
  return { accessKeyId, scope, date, signedHeaders: signed.split(';'), signature, payloadHash, query };
}

function claimOfQuery(query: [string, string][], nowMs: number): Claim {
  const value = (name: string) => query.find(([key]) => key === name)?.[1] ?? '';
  const date = value('X-Amz-Date');
  const seconds = Number(value('X-Amz-Expires'));
  if (value('X-Amz-Algorithm') !== ALGORITHM || !(seconds >= 1 && seconds <= MAX_EXPIRES_SECONDS)) {
    throw new S3Error('AuthorizationQueryParametersError');
  }
  if (nowMs > parseDate(date) + seconds * 1000) throw new S3Error('AccessDenied', 'Request has expired');
  const [accessKeyId = '', ...scope] = value('X-Amz-Credential').split('/');
  return {
    accessKeyId,
    scope: scope.join('/'),
    date,
    signedHeaders: value('X-Amz-SignedHeaders').split(';'),
    signature: value('X-Amz-Signature'),
    payloadHash: value('X-Amz-Content-Sha256') || 'UNSIGNED-PAYLOAD',
    query: query.filter(([name]) => name !== 'X-Amz-Signature'),
  };
}

function requireScope(claim: Claim, region: string): void {
  const [day, claimedRegion, service, end] = claim.scope.split('/');
  if (claimedRegion !== region) {
    const message = `The authorization header is malformed; the region '${claimedRegion}' is wrong; expecting '${region}'`;
    throw new S3Error('AuthorizationHeaderMalformed', message);
  }
  if (day !== claim.date.slice(0, 8) || service !== 's3' || end !== 'aws4_request') {
    throw new S3Error('AuthorizationHeaderMalformed');
  }
}

function canonicalRequest(request: SignedRequest, claim: Claim): string {
  if (!claim.signedHeaders.includes('host')) throw new S3Error('SignatureDoesNotMatch');
  const headers = claim.signedHeaders.map((name) => {
    const value = request.headers[name];
    const text = Array.isArray(value) ? value.join(',') : (value ?? '');
    return `${name}:${text.trim().replaceAll(/\s+/g, ' ')}\n`;
  });
  const query = claim.query
    .map(([name, value]): [string, string] => [encode(name), encode(value)])
    .toSorted(([a, x], [b, y]) => (a === b ? compare(x, y) : compare(a, b)))
    .map(([name, value]) => `${name}=${value}`);
  return [
    request.method,
    encodePath(request.path),
    query.join('&'),
    headers.join(''),
    claim.signedHeaders.join(';'),
    claim.payloadHash,
  ].join('\n');
}

function signingKeyOf(secret: string, scope: string): Buffer {
  return scope.split('/').reduce<string | Buffer>((key, part) => hmac(key, part), `AWS4${secret}`) as Buffer;
}

function parseQuery(query: string): [string, string][] {
  if (query === '') return [];
  return query.split('&').map((pair) => {
    const at = pair.indexOf('=');
    const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    return [decode(name), decode(value)];
  });
}

function encodePath(path: string): string {
  return path
    .split('/')
    .map((part) => encode(decode(part)))
    .join('/');
}

/** Percent-decoding; throws S3Error where it cannot be done. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) throw new S3Error('InvalidRequest', "Couldn't parse the specified URI.");
    throw error;
  }
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function parseDate(date: string): number {
  const match = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(date);
  if (match === null) throw new S3Error('AccessDenied', 'Invalid date (should be YYYYMMDDTHHMMSSZ)');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}
