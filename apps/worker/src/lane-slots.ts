// Places for calls in this process, shared by its lanes: a model whose calls hang can't hold all of them. Places in general
// are in shared/base/slots.ts.
import type { Slot } from '@darkroom/shared/base/slots.ts';
import { LaneShares } from './lane-shares.ts';

interface Waiter {
  readonly lane: string;
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

  /** A place that is free now; null when there is none for the lane. */
  takeAtOnce(lane: string): Slot | null {
    if (!this.#mayEnter(lane)) return null;
    this.#shares.add(lane, 1);
    return this.#toSlot(lane);
  }

  /**
   * Resolves when the lane may hold a place more; those of one lane in their order. Rejects with the signal's reason when
   * that aborts first.
   */
  async take(lane: string, signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted();
    const slot = this.takeAtOnce(lane);
    if (slot !== null) return slot;
    await this.#wait(lane, signal);
    return this.#toSlot(lane);
  }

  /** Of a place that has been entered. */
  #toSlot(lane: string): Slot {
    let isFree = false;
    return {
      free: () => {
        if (isFree) return;
        isFree = true;
        this.#leave(lane);
      },
    };
  }

  #mayEnter(lane: string): boolean {
    return this.taken < this.#size && this.#shares.mayHold(lane, 1, this.#size);
  }

  #leave(lane: string): void {
    this.#shares.remove(lane, 1);
    this.#letIn();
  }

  /** In the order they came, but past those whose lane has its share. */
  #letIn(): void {
    for (;;) {
      const next = this.#waiting.findIndex(({ lane }) => this.#mayEnter(lane));
      const [waiter] = next < 0 ? [] : this.#waiting.splice(next, 1);
      if (waiter === undefined) return;
      this.#shares.add(waiter.lane, 1);
      waiter.enter();
    }
  }

  #wait(lane: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        lane,
        enter: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal.reason);
      };
      this.#waiting.push(waiter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
