// What every process of a run has said, line by line. Knows nothing of what it means.

interface Said {
  /** Unix ms. */
  readonly at: number;
  readonly process: string;
  readonly line: string;
}

export class Log {
  readonly said: Said[] = [];

  note(process: string, line: string): void {
    this.said.push({ at: Date.now(), process, line });
  }

  /** Lines that match, from a moment on; of one process, or of all. */
  count(pattern: RegExp, from: number, process: string | null = null): number {
    return this.said.filter(
      (said) => said.at >= from && (process === null || said.process === process) && pattern.test(said.line),
    ).length;
  }
}
