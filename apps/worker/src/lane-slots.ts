// Places in this process, for calls or for bytes, shared by its lanes: a model whose calls hang can't hold all of them. Places
// without lanes are in shared/base/slots.ts.
import type { Slot } from '@darkroom/shared/base/slots.ts';
import { LaneShares } from './lane-shares.ts';

interface Asks {
  readonly lane: string;
  readonly places: number;
}

interface Waiter extends Asks {
  readonly enter: () => void;
}

export class LaneSlots {
  readonly #size: number;
  readonly #shares = new LaneShares();
  readonly #waiting: Waiter[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  get taken(): number {
    return this.#shares.all;
  }

  /** `places` that are free now; null when there are none for the lane. */
  takeAtOnce(lane: string, places = 1): Slot | null {
    const asks: Asks = { lane, places: Math.min(places, this.#size) };
    if (this.#next([...this.#waiting, asks]) !== asks || !this.#fits(asks)) return null;
    this.#shares.add(lane, asks.places);
    return this.#toSlot(asks);
  }

  /**
   * Resolves when the lane may hold `places` more, with all of them at once; those of one lane in their order. Who asks for
   * more than there are gets all of them, alone. Rejects with the signal's reason when that aborts first.
   */
  async take(lane: string, signal: AbortSignal, places = 1): Promise<Slot> {
    signal.throwIfAborted();
    const slot = this.takeAtOnce(lane, places);
    if (slot !== null) return slot;
    const asks: Asks = { lane, places: Math.min(places, this.#size) };
    await this.#wait(asks, signal);
    return this.#toSlot(asks);
  }

  /** Of places that have been entered. */
  #toSlot({ lane, places }: Asks): Slot {
    let isFree = false;
    return {
      free: () => {
        if (isFree) return;
        isFree = true;
        this.#shares.remove(lane, places);
        this.#letIn();
      },
    };
  }

  #fits({ places }: Asks): boolean {
    return this.taken + places <= this.#size;
  }

  /** Whose turn it is: the first of its lane, of a lane that has a share left. Nobody is let in before it. */
  #next<A extends Asks>(line: readonly A[]): A | undefined {
    const past = new Set<string>();
    return line.find(({ lane, places }) => {
      if (!past.has(lane) && this.#shares.mayHold(lane, places, this.#size)) return true;
      past.add(lane);
      return false;
    });
  }

  /** In the order they came, but past those whose lane has its share. */
  #letIn(): void {
    for (;;) {
      const waiter = this.#next(this.#waiting);
      if (waiter === undefined || !this.#fits(waiter)) return;
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      this.#shares.add(waiter.lane, waiter.places);
      waiter.enter();
    }
  }

  #wait(asks: Asks, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        ...asks,
        enter: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal.reason);
        this.#letIn();
      };
      this.#waiting.push(waiter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
