// The body of one reply on its way in: read as it comes, or, when it is compressed, kept until it is whole.
import type { Slot } from '@darkroom/shared/base/slots.ts';
import { decompress, isPlain } from './decompress.ts';
import type { Receiver, ReplyHead } from './exchange.ts';
import { ReplyBody } from './reply-body.ts';

export class Inflow implements Receiver {
  readonly #body: ReplyBody;
  readonly #encoding: string | null;
  readonly #slot: Slot | null;
  readonly #compressed: Buffer[] = [];

  /** `slot` is freed when the last byte is here. */
  constructor(head: ReplyHead, slot: Slot | null) {
    const encoding = head.get('content-encoding');
    this.#encoding = isPlain(encoding) ? null : encoding;
    this.#body = new ReplyBody(Number(head.get('content-length')));
    this.#slot = slot;
  }

  write(chunk: Buffer): void {
    if (this.#encoding === null) this.#body.write(chunk);
    else this.#compressed.push(chunk);
  }

  end(): void {
    this.#slot?.free();
  }

  /** After `end`, once. Throws when the content-encoding cannot be undone. */
  async body(): Promise<ReplyBody> {
    if (this.#encoding !== null) this.#body.write(await decompress(Buffer.concat(this.#compressed), this.#encoding));
    return this.#body;
  }
}
