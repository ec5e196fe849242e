// Whether a PNG or WebP file is an animation, read from its header: libvips shows the first frame of an APNG and says
// nothing of the others.
import type { FileHandle } from 'node:fs/promises';
import type { InputFormat } from '../requests/inputs.ts';

const PNG_SIGNATURE_BYTES = 8;
/** A PNG has a dozen chunks before its pixels; one with more than this is up to something. */
const MAX_CHUNKS = 1_000;
/** VP8X, the extended format (https://developers.google.com/speed/webp/docs/riff_container), and its flag for animation. */
const WEBP_CHUNK_AT = 12;
const WEBP_FLAGS_AT = 20;
const WEBP_ANIMATION = 0x02;

/** `head`: the first bytes of the file, 32 at least if it has so many. */
export async function isAnimated(file: FileHandle, format: InputFormat, head: Buffer): Promise<boolean> {
  if (format === 'png') return await hasAnimationChunk(file);
  if (format !== 'webp' || head.toString('latin1', WEBP_CHUNK_AT, WEBP_CHUNK_AT + 4) !== 'VP8X') return false;
  return ((head[WEBP_FLAGS_AT] ?? 0) & WEBP_ANIMATION) !== 0;
}

/** `acTL` makes a PNG an animation and stands before the pixels (https://www.w3.org/TR/png-3/#acTL-chunk). */
async function hasAnimationChunk(file: FileHandle): Promise<boolean> {
  const header = Buffer.alloc(8);
  for (let chunk = 0, at = PNG_SIGNATURE_BYTES; chunk < MAX_CHUNKS; chunk += 1) {
    const { bytesRead } = await file.read(header, 0, header.length, at);
    const name = header.toString('latin1', 4);
    if (bytesRead < header.length || name === 'IDAT' || name === 'IEND') return false;
    if (name === 'acTL') return true;
    at += header.readUInt32BE(0) + 12;
  }
  return true;
}
