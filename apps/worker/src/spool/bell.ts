// Wakes those who wait for something to do.

export interface Ear {
  /** Resolves at the next ring (at once if it has rung since the last time), after `ms`, or when `signal` aborts. */
  untilRung(ms: number, signal: AbortSignal): Promise<void>;
}

export class Bell {
  readonly #ears: (() => void)[] = [];

  ring(): void {
    for (const hear of this.#ears) hear();
  }

  /** For one listener, as long as the process lives. */
  listen(): Ear {
    let news = Promise.withResolvers<void>();
    this.#ears.push(() => news.resolve());
    return {
      async untilRung(ms, signal) {
        const over = Promise.withResolvers<void>();
        const timer = setTimeout(over.resolve, ms);
        const leave = (): void => over.resolve();
        signal.addEventListener('abort', leave, { once: true });
        if (signal.aborted) leave();
        await Promise.race([news.promise, over.promise]);
        clearTimeout(timer);
        signal.removeEventListener('abort', leave);
        news = Promise.withResolvers();
      },
    };
  }
}
