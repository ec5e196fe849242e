// The body of one reply on its way in: read as it comes, or, when it is compressed, kept until it is whole.
import { decompress, isPlain } from './decompress.ts';
import type { Receiver, ReplyHead } from './exchange.ts';
import type { ReadingTurn } from './reading-turn.ts';
import { ReplyBody } from './reply-body.ts';

export class Inflow implements Receiver {
  readonly #body: ReplyBody;
  readonly #encoding: string | null;
  readonly #turn: ReadingTurn | null;
  readonly #compressed: Buffer[] = [];

  /** `turn`: null for a reply that is read whenever it comes. */
  constructor(head: ReplyHead, turn: ReadingTurn | null) {
    const encoding = head.get('content-encoding');
    this.#encoding = isPlain(encoding) ? null : encoding;
    this.#body = new ReplyBody(Number(head.get('content-length')));
    this.#turn = turn;
  }

  write(chunk: Buffer): Promise<void> | null {
    if (this.#encoding === null) this.#body.write(chunk);
    else this.#compressed.push(chunk);
    return this.#turn?.came(chunk.length) ?? null;
  }

  end(): void {
    this.#turn?.end();
  }

  /** After `end`, once. Throws when the content-encoding cannot be undone. */
  async body(): Promise<ReplyBody> {
    if (this.#encoding !== null) this.#body.write(await decompress(Buffer.concat(this.#compressed), this.#encoding));
    return this.#body;
  }
}
