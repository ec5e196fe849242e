// One byte range of a `Range` header (RFC 9110, 14.2). Several ranges, other units and malformed ones are ignored, as
// the RFC allows: the whole representation is sent.
import type { ByteRange } from '@darkroom/shared/images/store.ts';

/** `whole`: send everything; `unsatisfiable`: 416. Offsets are inclusive and within `bytes`. */
export function parseByteRange(header: string | undefined, bytes: number): ByteRange | 'whole' | 'unsatisfiable' {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return 'whole';
  if (first === '') {
    const length = Math.min(Number(last), bytes);
    return length === 0 ? 'unsatisfiable' : { start: bytes - length, end: bytes - 1 };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return 'whole';
  if (start >= bytes) return 'unsatisfiable';
  return { start, end: last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1) };
}

/** Whether an `If-None-Match` header names this etag (quoted); weak and strong compare alike. */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((text) => text.trim() === '*' || text.trim().replace(/^W\//, '') === etag);
}
