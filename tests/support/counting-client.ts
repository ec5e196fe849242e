// The official SDK as callers use it, default retries and all, and a count of the requests it really makes.
import OpenAI, { type ClientOptions } from 'openai';

export interface CountingClient {
  readonly openai: OpenAI;
  /** `x-stainless-retry-count` of each request sent so far. */
  readonly sent: readonly string[];
}

export function countingClient(url: string, options: ClientOptions = {}): CountingClient {
  const sent: string[] = [];
  const openai = new OpenAI({
    baseURL: `${url}/v1`,
    apiKey: 'dk_unused',
    ...options,
    fetch: (input, init) => {
      // The SDK also fetches a `data:` URL, to learn what this fetch can do.
      const count = new Headers(init?.headers).get('x-stainless-retry-count');
      if (count !== null) sent.push(count);
      return fetch(input, init);
    },
  });
  return { openai, sent };
}
