// The attempts this process has sent and not yet settled: for the operator, and so that no other run of the same item takes
// them for those of a dead worker.

export interface AttemptId {
  readonly jobId: string;
  readonly call: number;
  readonly seq: number;
}

export class UnderWay {
  readonly #ends = new Map<string, Promise<void>>();

  get names(): string[] {
    return [...this.#ends.keys()];
  }

  /** The attempt is under way until `work` has ended. */
  async during<T>(attempt: AttemptId, work: () => Promise<T>): Promise<T> {
    const ended = Promise.withResolvers<void>();
    this.#ends.set(nameOf(attempt), ended.promise);
    try {
      return await work();
    } finally {
      this.#ends.delete(nameOf(attempt));
      ended.resolve();
    }
  }

  /** Resolves when the attempt is settled; null when it is not under way here. */
  endOf(attempt: AttemptId): Promise<void> | null {
    return this.#ends.get(nameOf(attempt)) ?? null;
  }
}

function nameOf({ jobId, call, seq }: AttemptId): string {
  return `${jobId} call ${call} attempt ${seq}`;
}
