// A request's body in pieces that are made into bytes while they are sent: an image is never copied as a whole, and is
// let go as soon as it has left, though the reply may take minutes.

export interface BodyPart {
  readonly bytes: Uint8Array;
  /** Sent as base64 text. */
  readonly isBase64?: boolean;
}

/** A multiple of 3: base64 of slices is then the base64 of the whole. */
const SLICE_BYTES = 192 * 1_024;

export function textPart(text: string): BodyPart {
  return { bytes: Buffer.from(text) };
}

export function lengthOf(parts: readonly BodyPart[]): number {
  return parts.reduce((sum, { bytes, isBase64 }) => sum + (isBase64 ? base64Length(bytes.length) : bytes.length), 0);
}

function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/**
 * The parts as one body, to be read once: each is taken out of `parts` before it is sent. `whenTaken` is called when the
 * last one has been taken; that one is only given while `mayEnd`. A short text goes as it is, in one packet with its headers.
 */
export function bodyOf(
  parts: BodyPart[],
  whenTaken: () => void,
  mayEnd = (): boolean => true,
): Uint8Array | Iterable<Uint8Array> {
  const [only] = parts;
  if (only === undefined || parts.length > 1 || only.isBase64 || only.bytes.length > SLICE_BYTES) {
    return slicesOf(parts, whenTaken, mayEnd);
  }
  parts.shift();
  whenTaken();
  return only.bytes;
}

function* slicesOf(parts: BodyPart[], whenTaken: () => void, mayEnd: () => boolean): Generator<Uint8Array> {
  for (;;) {
    if (parts.length === 1 && !mayEnd()) throw new DOMException('the rest may not be sent any more', 'AbortError');
    const part = parts.shift();
    if (part === undefined) break;
    for (let from = 0; from < part.bytes.length; from += SLICE_BYTES) {
      const slice = part.bytes.subarray(from, from + SLICE_BYTES);
      yield part.isBase64 ? toBase64(slice) : slice;
    }
  }
  whenTaken();
}

function toBase64(bytes: Uint8Array): Buffer {
  return Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'), 'latin1');
}
