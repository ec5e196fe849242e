// The upstream simulator's control routes: faults, books, settings, traffic. Its books are the truth about what was paid.

export interface FaultOptions {
  readonly model?: string;
  /** The last 4 characters of the API key. */
  readonly key?: string;
  readonly operation?: 'generation' | 'edit' | 'variation';
  readonly count?: number;
  readonly after?: number;
  readonly probability?: number;
  readonly params?: Readonly<Record<string, unknown>>;
}

export interface LedgerRequest {
  readonly id: string;
  readonly at: number;
  readonly endedAt: number | null;
  /** The last 4 characters of the API key. */
  readonly key: string | null;
  readonly operation: string;
  readonly model: string | null;
  readonly n: number | null;
  readonly prompt: string | null;
  readonly outcome: string;
  readonly status: number | null;
  readonly fault: string | null;
  readonly billedImages: number;
}

export interface LedgerImage {
  readonly id: string;
  readonly requestId: string;
  readonly model: string;
  readonly costUsd: number;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Ledger {
  readonly requests: readonly LedgerRequest[];
  /** One row for each image paid, delivered or not. */
  readonly images: readonly LedgerImage[];
}

export interface Stats {
  readonly inFlight: number;
  readonly maxInFlight: number;
  readonly maxInFlightByModel: Readonly<Record<string, number>>;
  readonly rejected429: number;
}

export interface OpenFault {
  readonly id: string;
  /** How often it will act; null = until removed. */
  readonly count: number | null;
}

export class Simulator {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** The fault's id. */
  async fault(kind: string, options: FaultOptions = {}): Promise<string> {
    const { id } = (await this.#call('POST', '/_sim/faults', { kind, ...options })) as { id: string };
    return id;
  }

  /** Those that still act. */
  async faults(): Promise<readonly OpenFault[]> {
    const { faults } = (await this.#call('GET', '/_sim/faults')) as { faults: OpenFault[] };
    return faults;
  }

  async clearFaults(): Promise<void> {
    await this.#call('DELETE', '/_sim/faults');
  }

  async ledger(): Promise<Ledger> {
    return (await this.#call('GET', '/_sim/ledger?since=0')) as Ledger;
  }

  async settings(change: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#call('POST', '/_sim/settings', change);
  }

  async stats(): Promise<Stats> {
    return (await this.#call('GET', '/_sim/stats')) as Stats;
  }

  /** No faults, no limits, no latency, empty books: as before the first test. */
  async reset(): Promise<void> {
    await this.clearFaults();
    await this.settings({ limits: {}, latencyScale: 0 });
    await this.#call('DELETE', '/_sim/ledger');
    await this.#call('DELETE', '/_sim/stats');
  }

  async #call(method: string, path: string, body?: unknown): Promise<unknown> {
    const reply = await fetch(this.url + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${method} ${path} answered ${reply.status}: ${text}`);
    return JSON.parse(text) as unknown;
  }
}
