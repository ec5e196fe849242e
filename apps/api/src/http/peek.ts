// Looks at how a body begins before anyone reads it.
import { SNIFF_BYTES } from '@darkroom/shared/images/formats.ts';

export interface Peeked {
  /** The first bytes, `SNIFF_BYTES` at least if the body has so many. */
  readonly head: Uint8Array;
  /** All bytes, from the first one. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Throws what the body throws. */
export async function peek(body: AsyncIterable<Uint8Array>): Promise<Peeked> {
  const source = body[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < SNIFF_BYTES) {
    const next = await source.next();
    if (next.done === true) break;
    chunks.push(next.value);
    bytes += next.value.byteLength;
  }
  const head = Buffer.concat(chunks);
  return { head, body: wholeOf(head, source) };
}

async function* wholeOf(
  head: Uint8Array,
  source: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let isDone = false;
  try {
    if (head.length > 0) yield head;
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
    isDone = true;
  } finally {
    if (!isDone) await source.return?.();
  }
}
