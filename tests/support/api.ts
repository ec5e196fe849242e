// Darkroom as a caller sees it: typed helpers over plain HTTP. The shapes are written down here once more, from the
// contract, so that a test can't confirm the service's own mistake.
import { until } from './until.ts';

export type JobStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled' | 'expired';

export interface JobImage {
  readonly id: string;
  readonly index: number;
  readonly url: string;
  readonly url_expires_at: number | null;
  readonly content_type: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  readonly sha256: string;
  readonly revised_prompt: string | null;
}

export interface ApiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

export interface Job {
  readonly id: string;
  readonly object: 'job';
  readonly operation: string;
  readonly status: JobStatus;
  readonly model: string;
  readonly requested_model: string | null;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly finished_at: number | null;
  readonly expires_at: number;
  readonly cancel_requested_at: number | null;
  readonly run: number;
  readonly input: Readonly<Record<string, unknown>>;
  readonly progress: {
    readonly images_requested: number;
    readonly images_completed: number;
    readonly images_failed: number;
    readonly images_withheld: number;
  };
  readonly images: readonly JobImage[];
  readonly errors: readonly (ApiError & { readonly index: number; readonly upstream_request_id: string | null })[];
  readonly error: ApiError | null;
  readonly usage: {
    readonly images: number;
    readonly input_tokens: number;
    readonly output_tokens: number;
    readonly total_tokens: number;
    readonly cost_usd: number | null;
    readonly possible_extra_cost_usd: number | null;
  };
  readonly warnings: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly priority: string;
}

export interface Attempt {
  readonly call: number;
  readonly attempt: number;
  readonly run: number;
  readonly image_indexes: readonly number[];
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly outcome: 'succeeded' | 'rejected' | 'failed' | 'unknown' | null;
  readonly status: number | null;
  readonly code: string | null;
  readonly upstream_request_id: string | null;
  readonly duration_ms: number | null;
  readonly cost_usd: number | null;
  readonly possible_extra_cost_usd: number | null;
}

export interface JobList {
  readonly object: 'list';
  readonly data: readonly Job[];
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly has_more: boolean;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; null when it is none. */
  readonly json: unknown;
}

interface Options {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

type Input = Readonly<Record<string, unknown>>;

/** A cheap request; tests name only what they are about. */
export const CAT: Input = { model: 'gpt-image-2', prompt: 'a white siamese cat', size: '1024x1024', quality: 'low' };

const ENDED: ReadonlySet<JobStatus> = new Set(['completed', 'incomplete', 'failed', 'cancelled', 'expired']);

export function hasEnded(job: Job): boolean {
  return ENDED.has(job.status);
}

export class Api {
  readonly url: string;
  readonly #key: string | null;

  constructor(url: string, key: string | null = null) {
    this.url = url;
    this.#key = key;
  }

  async request(method: string, path: string, { body, headers, signal }: Options = {}): Promise<Reply> {
    const reply = await fetch(this.url + path, {
      method,
      headers: {
        ...(this.#key === null ? {} : { authorization: `Bearer ${this.#key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await reply.text();
    return { status: reply.status, headers: reply.headers, text, json: toJson(text) };
  }

  /** A generation of `CAT` with `input` on top; `extra` stands beside `input`. Throws unless the answer is 202. */
  async submit(input: Input = {}, extra: Input = {}, headers: Readonly<Record<string, string>> = {}): Promise<Job> {
    const reply = await this.request('POST', '/v1/jobs', { body: submission(input, extra), headers });
    return expectStatus(reply, 202) as Job;
  }

  /** Submits and waits for the end. */
  async run(input: Input = {}, extra: Input = {}, timeoutMs = 20_000): Promise<Job> {
    const { id } = await this.submit(input, extra);
    return this.ended(id, timeoutMs);
  }

  async job(id: string): Promise<Job> {
    return expectStatus(await this.request('GET', `/v1/jobs/${id}`), 200) as Job;
  }

  /** The job once it has ended. */
  async ended(id: string, timeoutMs = 20_000): Promise<Job> {
    let seen: Job | null = null;
    try {
      return await until(
        `${id} ends`,
        async () => {
          seen = await this.job(id);
          return hasEnded(seen) ? seen : null;
        },
        timeoutMs,
      );
    } catch (error) {
      throw new Error(`job ${id} has not ended: ${JSON.stringify(seen)}`, { cause: error });
    }
  }

  async attempts(id: string): Promise<Attempt[]> {
    const list = expectStatus(await this.request('GET', `/v1/jobs/${id}/attempts`), 200) as { data: Attempt[] };
    return list.data;
  }

  async cancel(id: string): Promise<Job> {
    return expectStatus(await this.request('POST', `/v1/jobs/${id}/cancel`), 200) as Job;
  }

  async retry(id: string): Promise<Job> {
    return expectStatus(await this.request('POST', `/v1/jobs/${id}/retry`), 202) as Job;
  }

  async list(query = ''): Promise<JobList> {
    return expectStatus(await this.request('GET', `/v1/jobs${query}`), 200) as JobList;
  }

  /** The bytes behind an image's signed link. */
  async bytes(image: Pick<JobImage, 'url'>): Promise<Buffer> {
    const reply = await fetch(image.url);
    if (!reply.ok) throw new Error(`${image.url} answered ${reply.status}`);
    return Buffer.from(await reply.arrayBuffer());
  }
}

export function submission(input: Input = {}, extra: Input = {}): Input {
  return { operation: 'generation', input: { ...CAT, ...input }, ...extra };
}

export function errorOf(reply: Reply): ApiError {
  return (reply.json as { error: ApiError }).error;
}

function expectStatus(reply: Reply, status: number): unknown {
  if (reply.status !== status) throw new Error(`expected ${status}, got ${reply.status}: ${reply.text}`);
  return reply.json;
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
