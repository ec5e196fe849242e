// Takes in the JSON of a reply as it arrives and keeps base64 images apart: they become bytes at once, in one buffer, and
// never a text. Parsed whole, a reply of 5 MB took four times that (text, copy, parsed text, bytes).
import { randomUUID } from 'node:crypto';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** What stands before the value of an image. Written otherwise (escapes in the name) it is read like any text. */
const IMAGE_NAME = /"b64_json"\s*:\s*$/;
const NAME_BYTES = 32;
/** Then room for the whole: fifty replies that have only begun took 60 MB more when each had all its room at once. */
const FIRST_ROOM_BYTES = 64 * 1_024;
/** A reply that says it is longer gets its room when it has come that far. */
const MOST_ROOM_BYTES = 64 * 1_024 ** 2;

/** Which image stood here; no upstream can write one of its own. */
const MARK = `${randomUUID()}:`;

export class ReplyBody {
  readonly #texts: Buffer[] = [];
  readonly #images: { readonly from: number; readonly to: number }[] = [];
  readonly #wholeRoomBytes: number;
  #room = Buffer.alloc(0);
  #used = 0;
  #received = 0;
  /** In which kind of JSON string we are. */
  #inside: 'none' | 'text' | 'image' = 'none';
  #lastText = '';
  /** Backslashes right before the next byte of a text. */
  #backslashes = 0;
  #imageFrom = 0;
  /** Base64 that is no whole group of four yet. */
  #rest = '';

  /** `lengthBytes`: of the whole body, 0 when nobody knows. */
  constructor(lengthBytes: number) {
    this.#wholeRoomBytes = Math.min(MOST_ROOM_BYTES, Math.ceil((lengthBytes * 3) / 4) || FIRST_ROOM_BYTES);
  }

  get receivedBytes(): number {
    return this.#received;
  }

  write(chunk: Buffer): void {
    this.#received += chunk.length;
    for (let at = 0; at < chunk.length; )
      at = this.#inside === 'image' ? this.#image(chunk, at) : this.#text(chunk, at);
  }

  /** The text with a mark in place of each image. To be called once, after the last chunk. */
  text(): string {
    return new TextDecoder().decode(Buffer.concat(this.#texts));
  }

  /** The bytes of an image, given what its field holds in the parsed text. They share one buffer. */
  imageAt(value: string): Buffer {
    const found = value.startsWith(MARK) ? this.#images[Number(value.slice(MARK.length))] : undefined;
    return found === undefined ? Buffer.from(value, 'base64') : this.#room.subarray(found.from, found.to);
  }

  /** Reads on to the next quote; returns where to go on. */
  #text(chunk: Buffer, from: number): number {
    const quote = chunk.indexOf(QUOTE, from);
    const to = quote === -1 ? chunk.length : quote + 1;
    this.#keepText(chunk.subarray(from, to));
    if (quote === -1) {
      this.#backslashes = backslashesBefore(chunk, chunk.length, from, this.#backslashes);
    } else if (this.#inside === 'none') {
      this.#inside = IMAGE_NAME.test(this.#lastText.slice(0, -1)) ? 'image' : 'text';
      this.#imageFrom = this.#used;
    } else if (backslashesBefore(chunk, quote, from, this.#backslashes) % 2 === 0) {
      this.#inside = 'none';
    }
    if (quote !== -1) this.#backslashes = 0;
    return to;
  }

  #keepText(part: Buffer): void {
    // A copy: a part would keep the whole chunk in memory.
    this.#texts.push(Buffer.from(part));
    this.#lastText = (this.#lastText + part.toString('latin1', Math.max(0, part.length - NAME_BYTES))).slice(
      -NAME_BYTES,
    );
  }

  #image(chunk: Buffer, from: number): number {
    const quote = chunk.indexOf(QUOTE, from);
    const to = quote === -1 ? chunk.length : quote;
    this.#decode(this.#rest + chunk.toString('latin1', from, to));
    if (quote === -1) return to;
    this.#append(this.#rest);
    this.#rest = '';
    const mark = this.#used === this.#imageFrom ? '' : `${MARK}${this.#images.length}`;
    this.#images.push({ from: this.#imageFrom, to: this.#used });
    this.#keepText(Buffer.from(`${mark}"`));
    this.#inside = 'none';
    return to + 1;
  }

  /** All whole groups; the others wait in `#rest`. */
  #decode(given: string): void {
    const [text, unfinished] = given.includes('\\') ? withoutEscapes(given) : [given, ''];
    const whole = text.length - (text.length % 4);
    const written = this.#append(text.slice(0, whole));
    this.#rest = text.slice(whole) + unfinished;
    if (written === (whole / 4) * 3) return;
    // Padding, or line breaks: without them the groups are others.
    this.#used -= written;
    const clean = text.replace(/[^A-Za-z0-9+/_-]/g, '');
    const cleanWhole = clean.length - (clean.length % 4);
    this.#append(clean.slice(0, cleanWhole));
    this.#rest = clean.slice(cleanWhole) + unfinished;
  }

  #append(base64: string): number {
    const needed = this.#used + Math.ceil((base64.length * 3) / 4);
    if (needed > this.#room.length) {
      const isFirst = this.#room.length === 0;
      const usual = isFirst ? Math.min(FIRST_ROOM_BYTES, this.#wholeRoomBytes) : this.#wholeRoomBytes;
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#room.length * 2, usual));
      this.#room.copy(larger, 0, 0, this.#used);
      this.#room = larger;
    }
    const written = this.#room.write(base64, this.#used, 'base64');
    this.#used += written;
    return written;
  }
}

/** How many stand directly before `at`; those before the chunk count when it has nothing else up to there. */
function backslashesBefore(chunk: Buffer, at: number, from: number, earlier: number): number {
  let first = at;
  while (first > from && chunk[first - 1] === BACKSLASH) first -= 1;
  return first === from ? earlier + at - first : at - first;
}

/** JSON lets any character be escaped (`\/`, `\u002b`); an escape that is cut off is given back apart. */
function withoutEscapes(text: string): [text: string, unfinished: string] {
  const cut = /\\(?:u[0-9a-fA-F]{0,3})?$/.exec(text)?.index ?? text.length;
  const plain = text
    .slice(0, cut)
    .replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, code: string | undefined, character: string | undefined) =>
      code === undefined ? (character === '/' ? '/' : '') : String.fromCharCode(Number.parseInt(code, 16)),
    );
  return [plain, text.slice(cut)];
}
