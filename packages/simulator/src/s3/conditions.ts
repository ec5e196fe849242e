/** If-Match and If-None-Match on reads and writes; Range on reads. */
import type { IncomingHttpHeaders } from 'node:http';
import type { StoredObject } from './object-store.ts';
import { S3Error } from './s3-error.ts';

/** A conditional write: `*` in If-None-Match wants no object there. Throws PreconditionFailed. */
export function requireWritable(headers: IncomingHttpHeaders, present: StoredObject | null): void {
  if (headers['if-none-match'] === '*' && present !== null) throw new S3Error('PreconditionFailed');
  const wanted = headers['if-match'];
  if (wanted === undefined) return;
  if (present === null) throw new S3Error('NoSuchKey');
  if (!matchesEtag(wanted, present)) throw new S3Error('PreconditionFailed');
}

/** True when the client already has this object (304). Throws PreconditionFailed. */
export function isUnchanged(headers: IncomingHttpHeaders, object: StoredObject): boolean {
  const wanted = headers['if-match'];
  if (wanted !== undefined && !matchesEtag(wanted, object)) throw new S3Error('PreconditionFailed');
  const known = headers['if-none-match'];
  return known !== undefined && matchesEtag(known, object);
}

/** First and last byte of a single range, or null for the whole object. Throws InvalidRange. */
export function rangeOf(header: string | undefined, length: number): { first: number; last: number } | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null || match[0] === 'bytes=-') return null;
  const [, from = '', to = ''] = match;
  const first = from === '' ? Math.max(0, length - Number(to)) : Number(from);
  const last = from === '' || to === '' ? length - 1 : Math.min(Number(to), length - 1);
  if (first > last || first >= length) throw new S3Error('InvalidRange');
  return { first, last };
}

function matchesEtag(header: string, object: StoredObject): boolean {
  const plain = object.etag.replaceAll('"', '');
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replaceAll('"', '') === plain);
}
