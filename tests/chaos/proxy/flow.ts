// One direction of one connection: bytes on their way, which can be held back and delayed.
import type { Socket } from 'node:net';

/** `null`: the end. */
type Piece = Buffer | null;

export class Flow {
  readonly #to: Socket;
  readonly #delayMs: () => number;
  #kept: Piece[] | null = null;
  /** On their way, in the order written: a timer for each would let a later one overtake when the delay changes. */
  readonly #queue: { readonly piece: Piece; readonly dueAt: number }[] = [];
  #timer: NodeJS.Timeout | null = null;

  /** `delayMs` is asked for each write. */
  constructor(to: Socket, delayMs: () => number) {
    this.#to = to;
    this.#delayMs = delayMs;
  }

  get isHeld(): boolean {
    return this.#kept !== null;
  }

  /** Whether what is written still arrives. */
  get isOpen(): boolean {
    return this.#to.writable;
  }

  /** What is written from now on stays here. */
  hold(): void {
    this.#kept ??= [];
  }

  release(): void {
    const kept = this.#kept ?? [];
    this.#kept = null;
    for (const piece of kept) this.#pass(piece);
  }

  write(bytes: Buffer): void {
    this.#pass(bytes);
  }

  /** Nothing more is written: the other side is told behind the last byte. */
  end(): void {
    this.#pass(null);
  }

  #pass(piece: Piece): void {
    if (this.#kept !== null) {
      this.#kept.push(piece);
      return;
    }
    this.#queue.push({ piece, dueAt: performance.now() + this.#delayMs() });
    if (this.#timer === null) this.#sendDue();
  }

  #sendDue(): void {
    this.#timer = null;
    const now = performance.now();
    for (let next = this.#queue[0]; next !== undefined && next.dueAt <= now; next = this.#queue[0]) {
      this.#queue.shift();
      this.#send(next.piece);
    }
    const [next] = this.#queue;
    if (next !== undefined) this.#timer = setTimeout(() => this.#sendDue(), next.dueAt - now);
  }

  #send(piece: Piece): void {
    if (piece === null) this.#to.end();
    else if (this.#to.writable) this.#to.write(piece);
  }
}
