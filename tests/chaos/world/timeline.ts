// What was done to whom and when: the first thing to read when a run fails. Knows nothing of what it means.

export interface TimelineEntry {
  /** Unix ms. */
  readonly at: number;
  /** `kill`, `start`, `freeze`, `thaw`, `storage away`, … */
  readonly what: string;
  /** The process it was done to; null = all, or none of ours. */
  readonly process: string | null;
  readonly facts: Readonly<Record<string, unknown>>;
}

export class Timeline {
  readonly entries: TimelineEntry[] = [];
  readonly #tell: (line: string) => void;
  readonly #startedAt = Date.now();

  /** `tell` gets each entry as a line, as it is made. */
  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  note(what: string, process: string | null = null, facts: TimelineEntry['facts'] = {}): void {
    const entry = { at: Date.now(), what, process, facts };
    this.entries.push(entry);
    this.#tell(toLine(entry, this.#startedAt));
  }
}

/** `+12.3s kill worker-2 {"state":"permit taken"}` */
export function toLine({ at, what, process, facts }: TimelineEntry, startedAt: number): string {
  const seconds = ((at - startedAt) / 1_000).toFixed(1).padStart(6);
  const rest = Object.keys(facts).length === 0 ? '' : ` ${JSON.stringify(facts)}`;
  return `+${seconds}s ${what}${process === null ? '' : ` ${process}`}${rest}`;
}
