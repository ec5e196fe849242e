// Asks the upstream for a model's day of shutdown: `GET /models/{id}` has had `shutdown_date` since October 2026
// (developers.openai.com/api/docs/deprecations, read 2026-11-22). Costs nothing and counts against no image limit.
import { Agent, request } from 'undici';
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
  const ask = async (modelId: string, signal: AbortSignal): Promise<ToldShutdown> => {
    const url = `${options.baseUrl.replace(/\/+$/, '')}/models/${encodeURIComponent(modelId)}`;
    const headers = { authorization: `Bearer ${options.apiKey}`, accept: 'application/json' };
    const { statusCode: status, body } = await request(url, { dispatcher: agent, signal, headers });
    const text = await body.text();
    const date = status === 200 ? readDate(text) : null;
    return date === null ? { kind: 'none', status } : { kind: 'date', date };
  };
  return {
    async askShutdownDate(modelId, signal) {
      try {
        return await ask(modelId, AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]));
      } catch (error) {
        return { kind: 'failed', error };
      }
    },
    async close() {
      await agent.destroy();
    },
  };
}

/** null when the reply tells none, or is no JSON. */
function readDate(text: string): string | null {
  try {
    const reply = told.safeParse(JSON.parse(text));
    return reply.success ? reply.data.shutdown_date : null;
  } catch {
    return null; // whatever it is, it is no day
  }
}
