// Asks the upstream for a model's day of shutdown: `GET /models/{id}` has had `shutdown_date` since October 2026
// (developers.openai.com/api/docs/deprecations, read 2026-11-22). Costs nothing and counts against no image limit.
import OpenAI, { APIError } from 'openai';
import { Agent, fetch as undiciFetch } from 'undici';
import { z } from 'zod';

const ASK_TIMEOUT_MS = 10_000;
const LARGEST_REPLY_BYTES = 65_536;

export type ToldShutdown =
  /** `YYYY-MM-DD`, a real day. */
  | { readonly kind: 'date'; readonly date: string }
  /** An answer without a day: none is announced, or a provider that has no such field or route. */
  | { readonly kind: 'none'; readonly status: number }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface ModelCatalog {
  /** One request, never repeated, of at most 10 s. Never rejects for what the upstream or the network does. */
  askShutdownDate(modelId: string, signal: AbortSignal): Promise<ToldShutdown>;
  close(): Promise<void>;
}

const told = z.object({ shutdown_date: z.iso.date() });

export function openModelCatalog(options: { readonly apiKey: string; readonly baseUrl: string }): ModelCatalog {
  const agent = new Agent({ connect: { timeout: ASK_TIMEOUT_MS }, maxResponseSize: LARGEST_REPLY_BYTES });
  const client = new OpenAI({
    apiKey: options.apiKey,
    baseURL: options.baseUrl,
    maxRetries: 0,
    timeout: ASK_TIMEOUT_MS,
    fetch: undiciFetch as unknown as typeof fetch,
    fetchOptions: { dispatcher: agent, redirect: 'manual' } as never,
    logLevel: 'off',
  });
  return {
    async askShutdownDate(modelId, signal) {
      const withinTime = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]);
      try {
        const { data, response } = await client.models.retrieve(modelId, { signal: withinTime }).withResponse();
        const reply = told.safeParse(data);
        return reply.success
          ? { kind: 'date', date: reply.data.shutdown_date }
          : { kind: 'none', status: response.status };
      } catch (error) {
        if (error instanceof APIError && error.status !== undefined) return { kind: 'none', status: error.status };
        return { kind: 'failed', error };
      }
    },
    async close() {
      await agent.destroy();
    },
  };
}
