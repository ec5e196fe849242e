// How the puts of this process into image storage have been doing of late, in memory: whether the next one is likely to be quick.

/** A put that took longer makes the next one suspect. */
const SLOW_PUT_MS = 1_000;

export class PutTimes {
  #isSuspect = false;

  /** The last put failed or was slow. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** Notes how a put ends. */
  async watch<T>(put: Promise<T>, isDone: (end: T) => boolean): Promise<T> {
    const begun = performance.now();
    let isQuick = false;
    try {
      const end = await put;
      isQuick = isDone(end) && performance.now() - begun <= SLOW_PUT_MS;
      return end;
    } finally {
      this.#isSuspect = !isQuick;
    }
  }
}
