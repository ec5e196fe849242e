// How a spooled answer looks as bytes: a line of JSON, then the images one after the other. The same in a file and in Redis.
// Pure; files are written and read in spool.ts.
import { createHash } from 'node:crypto';
import { z } from 'zod';

export interface SpooledImage {
  /** Its place in the job. */
  readonly index: number;
  readonly revisedPrompt: string | null;
  readonly bytes: Uint8Array;
}

/** A paid answer whose images could not be stored. */
export interface SpooledAnswer {
  readonly jobId: string;
  readonly call: number;
  readonly seq: number;
  /** Unix ms. */
  readonly answeredAt: number;
  /** JSON of the caller's: what else has to be known to settle the answer. */
  readonly about: Readonly<Record<string, unknown>>;
  readonly images: readonly SpooledImage[];
}

/** The bytes are no spooled answer, or not what was written. */
export class SpoolFormatError extends Error {
  override readonly name = 'SpoolFormatError';
}

const VERSION = 1;
const NEWLINE = 10;
const count = z.number().int().nonnegative();
const headSchema = z.strictObject({
  version: z.literal(VERSION),
  jobId: z.string().regex(/^[A-Za-z0-9_-]{1,80}$/),
  call: count,
  seq: count,
  answeredAt: count,
  about: z.record(z.string(), z.unknown()),
  images: z.array(
    z.strictObject({ index: count, revisedPrompt: z.string().nullable(), bytes: count, sha256: z.string() }),
  ),
});
type Head = z.infer<typeof headSchema>;

/**
 * The parts to be written one after the other; the images are not copied. `books`: whose the answer is, see `booksOf`. Its place
 * is in `about`: the versions before refuse a head that holds more than they know, and would put the file aside.
 */
export function encodeAnswer({ images, ...answer }: SpooledAnswer, books: string | null = null): Uint8Array[] {
  const head: Head = {
    version: VERSION,
    ...answer,
    about: { ...answer.about, ...(books === null ? {} : { books }) },
    images: images.map(({ bytes, ...image }) => ({ ...image, bytes: bytes.length, sha256: hashOf(bytes) })),
  };
  return [Buffer.from(`${JSON.stringify(head)}\n`), ...images.map(({ bytes }) => bytes)];
}

/** Throws SpoolFormatError for what is torn, changed or foreign. */
export function decodeAnswer(file: Uint8Array): SpooledAnswer {
  const end = file.indexOf(NEWLINE);
  const { version: _, images, ...answer } = parseHead(file.subarray(0, Math.max(0, end)));
  let from = end + 1;
  const decoded = images.map(({ bytes: length, sha256, ...image }) => {
    const bytes = file.subarray(from, from + length);
    from += length;
    if (hashOf(bytes) !== sha256) throw new SpoolFormatError(`image ${image.index} is not what was written`);
    return { ...image, bytes };
  });
  if (from !== file.length) throw new SpoolFormatError(`${file.length} bytes instead of ${from}`);
  return { ...answer, images: decoded };
}

/**
 * The name of the Redis data set (images/mark.ts) that knows the answer's job; null when the file does not say, as those of
 * versions before. `start`: at least the first line. Throws SpoolFormatError.
 */
export function booksOf(start: Uint8Array): string | null {
  const { books } = parseHead(start.subarray(0, Math.max(0, start.indexOf(NEWLINE)))).about;
  return typeof books === 'string' ? books : null;
}

function parseHead(line: Uint8Array): Head {
  try {
    return headSchema.parse(JSON.parse(Buffer.from(line).toString('utf8')));
  } catch (error) {
    throw new SpoolFormatError('the first line is not that of a spooled answer', { cause: error });
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
