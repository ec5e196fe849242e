// Reads the lines of a batch's input from storage, from any byte on, a few kilobytes at a time.
import { ServiceError } from '../base/errors.ts';
import type { ImageStore } from '../images/store.ts';

export interface InputLine {
  /** Counted from 1, empty lines included. */
  readonly number: number;
  readonly text: string;
  /** Where the next line begins. */
  readonly nextByte: number;
  /** The line is longer than `LONGEST_LINE_BYTES`; `text` is empty then. */
  readonly isTooLong: boolean;
}

export const LONGEST_LINE_BYTES = 1_048_576;
const NEWLINE = 10;

/**
 * The lines that are not empty. Throws StorageError when storage is away and ServiceError `not_found` when the object is
 * not there: an input that has vanished must never look like one that is done.
 */
export async function* readLines(
  store: ImageStore,
  key: string,
  from: { byte: number; line: number },
): AsyncGenerator<InputLine> {
  const size = (await store.head(key))?.bytes;
  if (size === undefined) throw vanished();
  if (from.byte >= size) return;
  const found = await store.get(key, { start: from.byte, end: size - 1 });
  if (found === null) throw vanished();
  let { byte, line } = from;
  /** What is read of the current line; of one that is too long only that it is. */
  let rest: Buffer = Buffer.alloc(0);
  let isTooLong = false;
  try {
    for await (const chunk of found.body as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
        byte += end + 1;
        line += 1;
        yield* toLine(rest.subarray(0, end), line, byte, isTooLong);
        isTooLong = false;
        rest = rest.subarray(end + 1);
      }
      if (rest.length > LONGEST_LINE_BYTES) {
        isTooLong = true;
        byte += rest.length;
        rest = Buffer.alloc(0);
      }
    }
    yield* toLine(rest, line + 1, byte + rest.length, isTooLong);
  } finally {
    found.body.destroy();
  }
}

function vanished(): ServiceError {
  return new ServiceError('not_found', "The batch's input file is gone.", { param: 'input_file_id' });
}

function* toLine(bytes: Buffer, number: number, nextByte: number, wasTooLong: boolean): Generator<InputLine> {
  const isTooLong = wasTooLong || bytes.length > LONGEST_LINE_BYTES;
  const text = isTooLong ? '' : bytes.toString('utf8').trim();
  if (isTooLong || text !== '') yield { number, text, nextByte, isTooLong };
}
