/**
 * The simulator's books: every image request and every image billed. A row is written the moment its fact is true:
 * a request when it arrives (outcome `in_progress`), an image when it is billed, delivered or not.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Operation } from './models.ts';
import type { Usage } from './usage.ts';

/**
 * answered: a 2xx reply was sent whole · rejected: 4xx · failed: 5xx or a 2xx without the images · reset: the connection
 * was cut · hung: never answered · truncated: half a body · client_gone: the client left first.
 */
export type RequestOutcome =
  | 'in_progress'
  | 'answered'
  | 'rejected'
  | 'failed'
  | 'reset'
  | 'hung'
  | 'truncated'
  | 'client_gone';

export interface RequestRow {
  seq: number;
  /** req_…, also the x-request-id of the reply. */
  id: string;
  /** Milliseconds since 1970. */
  at: number;
  endedAt: number | null;
  operation: Operation;
  model: string | null;
  n: number | null;
  /** First 200 characters. */
  prompt: string | null;
  /** sha256 of the whole prompt, hex. */
  promptHash: string | null;
  /** Last 4 characters of the key. */
  key: string | null;
  outcome: RequestOutcome;
  status: number | null;
  code: string | null;
  /** Kind of the fault that decided the outcome. */
  fault: string | null;
  billedImages: number;
  usage: Usage | null;
}

export interface ImageRow {
  seq: number;
  /** sim_…, unique, found in the bytes by findImageId. */
  id: string;
  requestId: string;
  index: number;
  model: string;
  size: string;
  quality: string;
  format: string;
  costUsd: number;
  bytes: number;
  sha256: string;
  prompt: string;
}

const PROMPT_EXCERPT = 200;

export class Ledger {
  #requests: RequestRow[] = [];
  #images: ImageRow[] = [];
  #seq = 0;
  #serial = 0;
  /** Two simulators must not give out the same id. */
  readonly #run = randomBytes(4).toString('hex');

  openRequest(operation: Operation, at: number): RequestRow {
    const row: RequestRow = {
      seq: this.#nextSeq(),
      id: `req_${randomBytes(16).toString('hex')}`,
      at,
      endedAt: null,
      operation,
      model: null,
      n: null,
      prompt: null,
      promptHash: null,
      key: null,
      outcome: 'in_progress',
      status: null,
      code: null,
      fault: null,
      billedImages: 0,
      usage: null,
    };
    this.#requests.push(row);
    return row;
  }

  /** A new image id and the serial number in it. */
  nextImageId(): { id: string; serial: number } {
    this.#serial += 1;
    return { id: `sim_${this.#run}_${String(this.#serial).padStart(7, '0')}`, serial: this.#serial };
  }

  bill(row: Omit<ImageRow, 'seq' | 'prompt'>, prompt: string): void {
    this.#images.push({ seq: this.#nextSeq(), ...row, prompt: excerpt(prompt) });
  }

  /** Rows written after `since`; requests and images share one count. */
  read(since: number): { seq: number; requests: RequestRow[]; images: ImageRow[] } {
    return {
      seq: this.#seq,
      requests: this.#requests.filter((row) => row.seq > since),
      images: this.#images.filter((row) => row.seq > since),
    };
  }

  get counts(): { requests: number; images: number } {
    return { requests: this.#requests.length, images: this.#images.length };
  }

  /** Forgets the rows; numbers and ids go on. */
  empty(): void {
    this.#requests = [];
    this.#images = [];
  }

  #nextSeq(): number {
    this.#seq += 1;
    return this.#seq;
  }
}

export function describePrompt(prompt: string): { prompt: string; promptHash: string } {
  return { prompt: excerpt(prompt), promptHash: createHash('sha256').update(prompt).digest('hex') };
}

function excerpt(prompt: string): string {
  return prompt.slice(0, PROMPT_EXCERPT);
}
