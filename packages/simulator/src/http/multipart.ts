/**
 * Parses multipart/form-data (RFC 7578) from memory: names, file names, types and bytes of the parts.
 * Bounded by the size of the body it is given and by `maxParts`.
 */
export interface Part {
  name: string;
  filename: string | null;
  /** The part's own Content-Type, lower case, without parameters; null if it has none. */
  contentType: string | null;
  data: Buffer;
}

export class MultipartError extends Error {}

const CRLF = Buffer.from('\r\n');
const HEADER_END = Buffer.from('\r\n\r\n');

/** The boundary of a multipart Content-Type header, or null if it is another type. */
export function boundaryOf(contentType: string | undefined): string | null {
  if (!/^multipart\/form-data\b/i.test(contentType ?? '')) return null;
  const match = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType ?? '');
  return match?.[1] ?? match?.[2] ?? null;
}

/** Throws MultipartError when the body does not follow the boundary it names. */
export function parseMultipart(body: Buffer, boundary: string, maxParts = 200): Part[] {
  const delimiter = Buffer.from(`--${boundary}`);
  const parts: Part[] = [];
  let at = body.indexOf(delimiter);
  if (at < 0) throw new MultipartError('the multipart boundary is not in the body');
  for (;;) {
    const afterDelimiter = at + delimiter.length;
    if (body.subarray(afterDelimiter, afterDelimiter + 2).toString() === '--') return parts;
    const start = body.indexOf(CRLF, afterDelimiter) + CRLF.length;
    const next = body.indexOf(Buffer.concat([CRLF, delimiter]), start - CRLF.length);
    if (start < CRLF.length || next < 0)
      throw new MultipartError('the multipart body ends before its closing boundary');
    if (parts.length >= maxParts) throw new MultipartError(`more than ${maxParts} parts`);
    parts.push(parsePart(body.subarray(start, Math.max(start, next))));
    at = next + CRLF.length;
  }
}

function parsePart(bytes: Buffer): Part {
  const end = bytes.indexOf(HEADER_END);
  if (end < 0) throw new MultipartError('a part has no header block');
  const headers = new Map<string, string>();
  for (const line of bytes.subarray(0, end).toString('utf8').split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const disposition = headers.get('content-disposition') ?? '';
  const name = parameter(disposition, 'name');
  if (name === null) throw new MultipartError('a part has no name');
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? null;
  return { name, filename: parameter(disposition, 'filename'), contentType: type, data: bytes.subarray(end + 4) };
}

function parameter(header: string, key: string): string | null {
  const match = new RegExp(`;\\s*${key}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]+))`, 'i').exec(header);
  const value = match?.[1] ?? match?.[2];
  return value === undefined ? null : value.replaceAll(/\\(["\\])/g, '$1').replaceAll('%22', '"');
}
