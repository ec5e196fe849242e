// A bounded number of places in this process. First come, first served; a waiter may give up.

export interface Slot {
  free(): void;
}

export class Slots {
  readonly #size: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(size: number) {
    this.#size = size;
  }

  get taken(): number {
    return this.#taken;
  }

  get isFull(): boolean {
    return this.#taken >= this.#size;
  }

  /** Resolves with a place; rejects with the signal's reason when that aborts first. */
  async take(signal?: AbortSignal): Promise<Slot> {
    signal?.throwIfAborted();
    if (this.isFull) await this.#wait(signal);
    else this.#taken += 1;
    let isFree = false;
    return {
      free: () => {
        if (isFree) return;
        isFree = true;
        this.#pass();
      },
    };
  }

  /** The place goes straight to the next waiter, so nobody can overtake it. */
  #pass(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken -= 1;
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal?.reason);
      };
      this.#waiting.push(enter);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }
}
