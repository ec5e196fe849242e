// Reads the lines of a batch's input from storage, from any byte on, a few kilobytes at a time.
import { isUtf8 } from 'node:buffer';
import { type PublicError, ServiceError } from '../base/errors.ts';
import type { ImageStore } from '../images/store.ts';

export interface InputLine {
  /** Counted from 1, empty lines included. */
  readonly number: number;
  /** Empty when it can't be read. */
  readonly text: string;
  /** Where the next line begins. */
  readonly nextByte: number;
  /** Why it can't be read; null: it can. */
  readonly damage: LineDamage | null;
}

/** Longer than `LONGEST_LINE_BYTES`, or not UTF-8: of text in another encoding prompts would be bought that nobody wrote. */
export type LineDamage = 'too_long' | 'not_utf8';

/** Three data URLs of the largest size OpenAI takes (20,971,520 characters; openai-images.md 2.4, read 2026-11-22). */
export const LONGEST_LINE_BYTES = 67_108_864;
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
  const current = new GrowingLine();
  try {
    for await (const chunk of found.body as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        current.add(chunk.subarray(start, end));
        start = end + 1;
        line += 1;
        byte += current.bytes + 1;
        yield* current.take(line, byte);
      }
      current.add(chunk.subarray(start));
    }
    yield* current.take(line + 1, byte + current.bytes);
  } finally {
    found.body.destroy();
  }
}

/** What is read of the current line; of one that is too long only how long it is. */
class GrowingLine {
  #pieces: Buffer[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > LONGEST_LINE_BYTES) this.#pieces = [];
    else this.#pieces.push(piece);
  }

  /** The line, unless it is empty; begins the next. */
  *take(number: number, nextByte: number): Generator<InputLine> {
    const line = Buffer.concat(this.#pieces);
    const damage = this.#bytes > LONGEST_LINE_BYTES ? 'too_long' : isUtf8(line) ? null : 'not_utf8';
    const text = damage === null ? line.toString('utf8').trim() : '';
    this.#pieces = [];
    this.#bytes = 0;
    if (damage !== null || text !== '') yield { number, text, nextByte, damage };
  }
}

/** What is wrong with a line that can't be read, for its problem or its line in the error file. */
export function problemOfDamage(damage: LineDamage): PublicError {
  const { code, message } = {
    too_long: { code: 'line_too_long', message: `A line has at most ${LONGEST_LINE_BYTES} bytes.` },
    not_utf8: { code: 'invalid_encoding', message: 'The line is not UTF-8: save the file as UTF-8 and send it again.' },
  }[damage];
  return { message, type: 'invalid_request_error', param: null, code };
}

function vanished(): ServiceError {
  return new ServiceError('not_found', "The batch's input file is gone.", { param: 'input_file_id' });
}
