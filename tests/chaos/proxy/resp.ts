// Cuts a stream of Redis' protocol (RESP 2 and 3) into frames. https://redis.io/docs/latest/develop/reference/protocol-spec/

const CR = 13;
const TEXT = new Set('+-:_#,('.split('').map(codeOf));
const BULK = new Set('$=!'.split('').map(codeOf));
const LIST = new Set('*~>'.split('').map(codeOf));
const MAP = codeOf('%');
const PUSH = codeOf('>');

/** Keeps what is not whole yet. */
export class RespReader {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that are whole now, in order. Throws on what is no RESP. */
  feed(chunk: Buffer): Buffer[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    let at = 0;
    for (let end = endOfFrame(bytes, at); end >= 0; end = endOfFrame(bytes, at)) {
      frames.push(bytes.subarray(at, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
    return frames;
  }

  /** What was fed and belongs to no whole frame. */
  takeRest(): Buffer {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return rest;
  }
}

/** Said by the server without being asked. */
export function isPush(frame: Buffer): boolean {
  return frame[0] === PUSH;
}

/** A client's command as texts. */
export function wordsOf(frame: Buffer): string[] {
  const words: string[] = [];
  let at = frame.indexOf(CR) + 2;
  while (at < frame.length) {
    const lineEnd = frame.indexOf(CR, at);
    const length = Number(frame.toString('latin1', at + 1, lineEnd));
    words.push(frame.toString('utf8', lineEnd + 2, lineEnd + 2 + length));
    at = lineEnd + length + 4;
  }
  return words;
}

/** Where the frame that begins at `at` ends; -1 when it is not whole. */
function endOfFrame(bytes: Buffer, at: number): number {
  const lineEnd = bytes.indexOf(CR, at);
  if (lineEnd < 0 || lineEnd + 2 > bytes.length) return -1;
  const type = bytes[at] ?? 0;
  if (TEXT.has(type)) return lineEnd + 2;
  const count = Number(bytes.toString('latin1', at + 1, lineEnd));
  if (BULK.has(type)) {
    const end = count < 0 ? lineEnd + 2 : lineEnd + 4 + count;
    return end <= bytes.length ? end : -1;
  }
  if (!LIST.has(type) && type !== MAP) throw new Error(`not RESP: ${bytes.toString('latin1', at, at + 40)}`);
  let end = lineEnd + 2;
  for (let left = type === MAP ? 2 * count : count; left > 0; left -= 1) {
    end = end < bytes.length ? endOfFrame(bytes, end) : -1;
    if (end < 0) return -1;
  }
  return end;
}

function codeOf(char: string): number {
  return char.charCodeAt(0);
}
