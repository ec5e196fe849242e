/** The x-amz-checksum-* headers: verified when sent, kept, and given back. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { S3Error } from './s3-error.ts';

const ALGORITHMS: Record<string, (data: Buffer) => string> = {
  crc32: (data) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(crc32(data));
    return bytes.toString('base64');
  },
  sha1: (data) => createHash('sha1').update(data).digest('base64'),
  sha256: (data) => createHash('sha256').update(data).digest('base64'),
};

const PREFIX = 'x-amz-checksum-';
const NOT_VALUES = new Set(['x-amz-checksum-mode', 'x-amz-checksum-type', 'x-amz-checksum-algorithm']);

/** The checksums sent, all verified. Throws BadDigest, or NotImplemented for an algorithm this server lacks. */
export function verifyChecksums(data: Buffer, headers: Iterable<[string, string]>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (name === 'content-md5') requireMd5(data, value);
    if (!name.startsWith(PREFIX) || NOT_VALUES.has(name)) continue;
    const algorithm = ALGORITHMS[name.slice(PREFIX.length)];
    if (algorithm === undefined)
      throw new S3Error('NotImplemented', `${name} is not implemented; use crc32, sha1 or sha256`);
    if (algorithm(data) !== value) throw new S3Error('BadDigest');
    kept[name] = value;
  }
  return kept;
}

function requireMd5(data: Buffer, value: string): void {
  if (createHash('md5').update(data).digest('base64') !== value) throw new S3Error('BadDigest');
}
