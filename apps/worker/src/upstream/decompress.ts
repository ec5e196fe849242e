// Undoes a content-encoding the upstream was not asked for: the images are paid all the same. Of bytes that break off it gives
// as much as can be read.
import { promisify } from 'node:util';
import { brotliDecompress, constants, gunzip, inflate, zstdDecompress } from 'node:zlib';

type Decoder = (bytes: Buffer) => Promise<Buffer>;

/** An end that comes too soon is none for `finishFlush`: what came before it is given. */
function decoderOf(undo: typeof gunzip | typeof brotliDecompress, finishFlush: number): Decoder {
  const read = promisify<Buffer, { finishFlush: number }, Buffer>(undo);
  return (bytes) => read(bytes, { finishFlush });
}

const gzip = decoderOf(gunzip, constants.Z_SYNC_FLUSH);
const DECODERS: Readonly<Record<string, Decoder>> = {
  gzip,
  'x-gzip': gzip,
  deflate: decoderOf(inflate, constants.Z_SYNC_FLUSH),
  br: decoderOf(brotliDecompress, constants.BROTLI_OPERATION_FLUSH),
  zstd: decoderOf(zstdDecompress, constants.ZSTD_e_flush),
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
