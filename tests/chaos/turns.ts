// Who may do something that two must not do at the same time: one after the other, in the order they asked.

export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Resolves as `work` does, which begins when all before it have ended. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined); // its own caller hears of it
    return turn;
  }
}
