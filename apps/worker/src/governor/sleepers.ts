// Calls of this process that sleep until their permit's time: woken early when what their permit stands on has changed.
import { setTimeout as sleep } from 'node:timers/promises';

/** `stopped`: the permit is void, or as good as that; give it back. */
export type Slept = 'rested' | 'stopped' | 'aborted';

export class Sleepers {
  readonly #asleep = new Set<{ readonly names: ReadonlySet<string>; readonly waking: AbortController }>();

  /** `names`: the permit's upstream key and limits. */
  async sleep(ms: number, names: readonly string[], signal: AbortSignal): Promise<Slept> {
    if (signal.aborted) return 'aborted';
    if (ms <= 0) return 'rested';
    const sleeper = { names: new Set(names), waking: new AbortController() };
    this.#asleep.add(sleeper);
    try {
      await sleep(ms, undefined, { signal: AbortSignal.any([signal, sleeper.waking.signal]) });
      return 'rested';
    } catch (error) {
      if (signal.aborted) return 'aborted';
      if (sleeper.waking.signal.aborted) return 'stopped';
      throw error;
    } finally {
      this.#asleep.delete(sleeper);
    }
  }

  /** Wakes those whose permit has all of these names. */
  wake(names: readonly string[]): void {
    for (const sleeper of this.#asleep) if (names.every((name) => sleeper.names.has(name))) sleeper.waking.abort();
  }
}
