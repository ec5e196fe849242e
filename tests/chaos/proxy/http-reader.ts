// Cuts a stream of HTTP/1.1 messages into pieces: each head, and the bytes of each body as they come.

export interface HttpMessage {
  readonly startLine: string;
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes of the body; null when only its end tells. */
  readonly length: number | null;
}

export interface Piece {
  readonly message: HttpMessage;
  readonly part: 'head' | 'body';
  readonly bytes: Buffer;
  /** Bytes of the body before this piece. */
  readonly at: number;
  /** The message ends with this piece. */
  readonly isLast: boolean;
}

const END_OF_HEAD = '\r\n\r\n';

interface OpenMessage {
  readonly message: HttpMessage;
  at: number;
  readonly chunks: ChunkCounter | null;
}

export class HttpReader {
  readonly #hasNoBody: (startLine: string) => boolean;
  #rest: Buffer = Buffer.alloc(0);
  #open: OpenMessage | null = null;

  /** `hasNoBody`: of a message whose headers do not tell, as the reply to HEAD. */
  constructor(hasNoBody: (startLine: string) => boolean) {
    this.#hasNoBody = hasNoBody;
  }

  feed(chunk: Buffer): Piece[] {
    const pieces: Piece[] = [];
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let piece = this.#next(); piece !== null; piece = this.#next()) pieces.push(piece);
    return pieces;
  }

  #next(): Piece | null {
    if (this.#rest.length === 0) return null;
    return this.#open === null ? this.#nextHead() : this.#nextOfBody(this.#open);
  }

  #nextHead(): Piece | null {
    const end = this.#rest.indexOf(END_OF_HEAD);
    if (end < 0) return null;
    const message = this.#toMessage(this.#rest.toString('latin1', 0, end));
    const isLast = message.length === 0;
    const isChunked = message.headers.get('transfer-encoding') === 'chunked';
    if (!isLast) this.#open = { message, at: 0, chunks: isChunked ? new ChunkCounter() : null };
    return { message, part: 'head', bytes: this.#take(end + END_OF_HEAD.length), at: 0, isLast };
  }

  #toMessage(head: string): HttpMessage {
    const [startLine = '', ...lines] = head.split('\r\n');
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
      }),
    );
    return { startLine, headers, length: this.#lengthOf(startLine, headers) };
  }

  #lengthOf(startLine: string, headers: ReadonlyMap<string, string>): number | null {
    if (this.#hasNoBody(startLine)) return 0;
    const told = headers.get('content-length');
    if (told !== undefined) return Number(told);
    const isRequest = !startLine.startsWith('HTTP/');
    return isRequest && !headers.has('transfer-encoding') ? 0 : null;
  }

  #nextOfBody(open: OpenMessage): Piece {
    const { message, at, chunks } = open;
    const left = message.length === null ? Number.POSITIVE_INFINITY : message.length - at;
    const taken = Math.min(left, this.#rest.length);
    const end = chunks === null ? taken : chunks.count(this.#rest);
    const bytes = this.#take(end ?? this.#rest.length);
    open.at += bytes.length;
    const isLast = chunks === null ? open.at === message.length : end !== null;
    if (isLast) this.#open = null;
    return { message, part: 'body', bytes, at, isLast };
  }

  #take(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

/** Finds the end of a chunked body, byte by byte of its frame alone. */
class ChunkCounter {
  #line = '';
  #skip = 0;
  #isTrailer = false;

  /** Where in `bytes` the body ends; null when it goes on. */
  count(bytes: Buffer): number | null {
    let at = 0;
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      const char = String.fromCharCode(bytes[at] ?? 0);
      at += 1;
      this.#line += char;
      if (char === '\n' && this.#endsWithLine(this.#line.trim())) return at;
    }
    return null;
  }

  /** Whether the line is the last of the body. */
  #endsWithLine(line: string): boolean {
    this.#line = '';
    if (this.#isTrailer) return line === '';
    const size = Number.parseInt(line, 16);
    if (size === 0) this.#isTrailer = true;
    else this.#skip = size + 2;
    return false;
  }
}
