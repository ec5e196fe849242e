// One direction of one connection: bytes on their way, which can be held back and delayed.
import type { Socket } from 'node:net';

export class Flow {
  readonly #to: Socket;
  readonly #delayMs: () => number;
  #kept: Buffer[] | null = null;
  #dueAt = 0;

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
    for (const bytes of kept) this.write(bytes);
  }

  write(bytes: Buffer): void {
    if (this.#kept !== null) {
      this.#kept.push(bytes);
      return;
    }
    const now = performance.now();
    this.#dueAt = Math.max(this.#dueAt, now + this.#delayMs());
    if (this.#dueAt <= now) this.#send(bytes);
    else setTimeout(() => this.#send(bytes), this.#dueAt - now);
  }

  #send(bytes: Buffer): void {
    if (this.#to.writable) this.#to.write(bytes);
  }
}
