// Places for calls in this process, shared by its lanes: a model whose calls hang can't hold all of them. Places in general
// are in shared/base/slots.ts.
import type { Slot } from '@darkroom/shared/base/slots.ts';

/** The part of the places free of other lanes that one lane may hold: with 20, the first 18, a second 1, a third 1. */
const SHARE = 0.9;

interface Waiter {
  readonly lane: string;
  readonly enter: () => void;
}

export class LaneSlots {
  readonly #size: number;
  readonly #held = new Map<string, number>();
  readonly #waiting: Waiter[] = [];
  #taken = 0;

  constructor(size: number) {
    this.#size = size;
  }

  get taken(): number {
    return this.#taken;
  }

  /** A place that is free now; null when there is none for the lane. */
  takeAtOnce(lane: string): Slot | null {
    if (!this.#mayEnter(lane)) return null;
    this.#enter(lane);
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

  /** One place at least, while any is free: a lane that came late is never shut out by the others' shares. */
  #mayEnter(lane: string): boolean {
    const held = this.#heldBy(lane);
    const share = Math.floor(SHARE * (this.#size - (this.#taken - held)));
    return this.#taken < this.#size && held < Math.max(1, share);
  }

  #heldBy(lane: string): number {
    return this.#held.get(lane) ?? 0;
  }

  #enter(lane: string): void {
    this.#taken += 1;
    this.#held.set(lane, this.#heldBy(lane) + 1);
  }

  #leave(lane: string): void {
    this.#taken -= 1;
    this.#held.set(lane, this.#heldBy(lane) - 1);
    this.#letIn();
  }

  /** In the order they came, but past those whose lane has its share. */
  #letIn(): void {
    for (;;) {
      const next = this.#waiting.findIndex(({ lane }) => this.#mayEnter(lane));
      const [waiter] = next < 0 ? [] : this.#waiting.splice(next, 1);
      if (waiter === undefined) return;
      this.#enter(waiter.lane);
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
