// Reads the lines of a batch's input from storage, from any byte on, a few kilobytes at a time.
import type { ImageStore } from '../images/store.ts';

export interface InputLine {
  /** Counted from 1, empty lines included. */
  readonly number: number;
  readonly text: string;
  /** Where the next line begins. */
  readonly nextByte: number;
  /** The line is longer than `LONGEST_LINE_BYTES`; `text` is its beginning. */
  readonly isTooLong: boolean;
}

export const LONGEST_LINE_BYTES = 1_048_576;
const NEWLINE = 10;

/** The lines that are not empty. Throws StorageError when storage is away; ends at once when the object is not there. */
export async function* readLines(
  store: ImageStore,
  key: string,
  from: { byte: number; line: number },
): AsyncGenerator<InputLine> {
  const size = (await store.head(key))?.bytes ?? 0;
  if (from.byte >= size) return;
  const found = await store.get(key, { start: from.byte, end: size - 1 });
  if (found === null) return;
  let rest: Buffer = Buffer.alloc(0);
  let { byte, line } = from;
  let skipping = false;
  try {
    for await (const chunk of found.body as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
        byte += end + 1;
        line += 1;
        if (!skipping) yield* toLine(rest.subarray(0, end), line, byte);
        skipping = false;
        rest = rest.subarray(end + 1);
      }
      if (rest.length > LONGEST_LINE_BYTES) {
        if (!skipping) yield { number: line + 1, text: '', nextByte: byte, isTooLong: true };
        skipping = true;
        byte += rest.length;
        rest = Buffer.alloc(0);
      }
    }
    if (!skipping) yield* toLine(rest, line + 1, byte + rest.length);
  } finally {
    found.body.destroy();
  }
}

function* toLine(bytes: Buffer, number: number, nextByte: number): Generator<InputLine> {
  const text = bytes.toString('utf8').trim();
  if (text !== '') yield { number, text, nextByte, isTooLong: bytes.length > LONGEST_LINE_BYTES };
}
