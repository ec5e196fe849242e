// How much of something bounded each lane holds, and how much more it may have: a model whose calls hang can't hold all of it.

/** The part of what is free of other lanes that one lane may hold: of 20 places the first 18, a second 1, a third 1. */
const SHARE = 0.9;

export class LaneShares {
  readonly #held = new Map<string, number>();
  #all = 0;

  /** Of all lanes. */
  get all(): number {
    return this.#all;
  }

  /**
   * Whether a lane has a share left for `more` of `size`. What it wants first it always has: a lane that came late is never
   * shut out by the others' shares. Whether so much is free is another question.
   *
   * `elsewhere`: held by other processes, for nobody knows which lanes; so it counts as this lane's.
   */
  mayHold(lane: string, more: number, size: number, elsewhere = 0): boolean {
    const held = this.#heldBy(lane);
    return held === 0 || elsewhere + held + more <= SHARE * (size - (this.#all - held));
  }

  add(lane: string, more: number): void {
    this.#all += more;
    this.#held.set(lane, this.#heldBy(lane) + more);
  }

  remove(lane: string, less: number): void {
    this.#all -= less;
    this.#held.set(lane, this.#heldBy(lane) - less);
  }

  #heldBy(lane: string): number {
    return this.#held.get(lane) ?? 0;
  }
}
