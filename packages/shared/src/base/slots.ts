// A bounded number of places in this process: calls under way, readers, bytes held. First come, first served; a waiter
// may give up.

export interface Slot {
  free(): void;
}

interface Waiter {
  readonly places: number;
  readonly enter: () => void;
}

export class Slots {
  readonly #size: number;
  readonly #waiting: Waiter[] = [];
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

  /**
   * Resolves with `places` places at once; who asks for more than there are gets all of them, alone. Rejects with the
   * signal's reason when that aborts first.
   */
  async take(signal?: AbortSignal, places = 1): Promise<Slot> {
    signal?.throwIfAborted();
    const wanted = Math.min(places, this.#size);
    if (this.#waiting.length > 0 || !this.#fits(wanted)) await this.#wait(wanted, signal);
    else this.#taken += wanted;
    let isFree = false;
    return {
      free: () => {
        if (isFree) return;
        isFree = true;
        this.#taken -= wanted;
        this.#letIn();
      },
    };
  }

  /** Does `work` in places taken as by `take`. */
  async run<T>(work: () => Promise<T>, places = 1, signal?: AbortSignal): Promise<T> {
    const place = await this.take(signal, places);
    try {
      return await work();
    } finally {
      place.free();
    }
  }

  #fits(places: number): boolean {
    return this.#taken + places <= this.#size;
  }

  /** Places go straight to the waiters in their order, so nobody can overtake them. */
  #letIn(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.places); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#taken += next.places;
      next.enter();
    }
  }

  #wait(places: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        places,
        enter: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal?.reason);
        this.#letIn();
      };
      this.#waiting.push(waiter);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }
}
