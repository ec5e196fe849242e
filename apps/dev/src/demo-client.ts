// Darkroom's HTTP interface as the demo uses it. Imports nothing of the service: it sees what any caller sees.

export interface JobImage {
  readonly index: number;
  readonly url: string;
  readonly content_type: string;
}

export interface Job {
  readonly id: string;
  readonly status: 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled' | 'expired';
  readonly model: string;
  readonly progress: { readonly images_requested: number; readonly images_completed: number };
  readonly images: readonly JobImage[];
  readonly error: { readonly code: string | null; readonly message: string } | null;
  readonly usage: { readonly cost_usd: number | null; readonly possible_extra_cost_usd: number | null };
  readonly finished_at: number | null;
}

export interface DarkroomClient {
  /** What the job would cost at most, USD; null when that is not known. Nothing is queued. */
  maxCostUsd(body: object): Promise<number | null>;
  submit(body: object): Promise<Job>;
  read(id: string): Promise<Job>;
  /** Calls not yet sent never go out. */
  cancel(id: string): Promise<Job>;
  download(url: string): Promise<Uint8Array>;
}

/** `apiKey` is needed by a service that has AUTH=keys. Each method throws with the service's own words. */
export function buildDarkroomClient(baseUrl: string, apiKey: string | null): DarkroomClient {
  const headers = {
    'content-type': 'application/json',
    ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
  };
  const ask = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const request = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const reply = await fetch(`${baseUrl}/v1${path}`, request);
    const answer = (await reply.json()) as T & { error?: { message?: string } };
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${answer.error?.message ?? ''}`);
    return answer;
  };
  return {
    maxCostUsd: async (body) =>
      (await ask<{ max_cost_usd: number | null }>('POST', '/jobs', { ...body, dry_run: true })).max_cost_usd,
    submit: (body) => ask('POST', '/jobs', body),
    read: (id) => ask('GET', `/jobs/${id}`),
    cancel: (id) => ask('POST', `/jobs/${id}/cancel`, {}),
    async download(url) {
      const reply = await fetch(url);
      if (!reply.ok) throw new Error(`GET ${url}: ${reply.status}`);
      return new Uint8Array(await reply.arrayBuffer());
    },
  };
}

export function hasEnded({ status }: Job): boolean {
  return status !== 'queued' && status !== 'in_progress';
}
