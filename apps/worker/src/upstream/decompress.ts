// Undoes a content-encoding the upstream was not asked for: the images are paid all the same.
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Promise<Buffer>>> = {
  gzip: promisify<Buffer, Buffer>(gunzip),
  'x-gzip': promisify<Buffer, Buffer>(gunzip),
  deflate: promisify<Buffer, Buffer>(inflate),
  br: promisify<Buffer, Buffer>(brotliDecompress),
  zstd: promisify<Buffer, Buffer>(zstdDecompress),
};

/** Whether a body sent with this `content-encoding` can be read as it comes. */
export function isPlain(encoding: string | null): boolean {
  return encoding === null || encoding.trim() === '' || encoding.trim().toLowerCase() === 'identity';
}

/** Several encodings are undone last first. Throws zlib's error for damaged bytes, Error for an encoding nobody knows. */
export async function decompress(bytes: Buffer, encoding: string): Promise<Buffer> {
  let plain = bytes;
  for (const name of encoding.toLowerCase().split(',').toReversed()) {
    if (isPlain(name)) continue;
    const decode = DECODERS[name.trim()];
    if (decode === undefined) throw new Error(`the content-encoding ${name.trim()} is not known`);
    plain = await decode(plain);
  }
  return plain;
}
