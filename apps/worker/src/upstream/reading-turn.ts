// One reply's turn at the readers, which bound how many bodies arrive at the same time. A reader is held by what arrives, not
// by what hangs: eight replies that send a head and stall would else leave all others, paid, in their sockets.
//
//  trickling ──more than a trickle has come──▶ waiting ──a reader is free──▶ reading
//      ▲                                                                        │
//      └──────────────── less than a trickle in a second ◀──────────────────────┘
//  ends from anywhere: end()
import type { Slot, Slots } from '@darkroom/shared/base/slots.ts';

/** Comes without a reader: less than a socket buffers anyway, and more than blanks that keep a connection open. */
const TRICKLE_BYTES = 16 * 1_024;
const LOOK_EVERY_MS = 1_000;

export class ReadingTurn {
  readonly #readers: Slots;
  readonly #over = new AbortController();
  #reader: Slot | null = null;
  #waiting: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** Since the last look, or since there was no reader. */
  #cameBytes = 0;

  constructor(readers: Slots) {
    this.#readers = readers;
  }

  /** `bytes` more have come. Nothing more is to be read until the promise resolves; null when it may go on. Never rejects. */
  came(bytes: number): Promise<void> | null {
    this.#cameBytes += bytes;
    if (this.#reader === null && this.#cameBytes > TRICKLE_BYTES) this.#waiting ??= this.#takeReader();
    return this.#waiting;
  }

  /** The last byte is here, or none will come. */
  end(): void {
    this.#over.abort();
    this.#freeReader();
  }

  async #takeReader(): Promise<void> {
    const { signal } = this.#over;
    const reader = await this.#readers.take(signal).catch(() => null); // it rejects only for the signal
    this.#waiting = null;
    if (signal.aborted) return reader?.free();
    this.#reader = reader;
    this.#cameBytes = 0;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  #look(): void {
    if (this.#cameBytes <= TRICKLE_BYTES) this.#freeReader();
    this.#cameBytes = 0;
  }

  #freeReader(): void {
    clearInterval(this.#timer);
    this.#reader?.free();
    this.#reader = null;
  }
}
