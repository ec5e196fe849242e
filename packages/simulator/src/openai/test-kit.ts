/** What the integration tests of the Images API share: a running simulator, its control routes, small inputs. */
import OpenAI, { APIError } from 'openai';
import sharp from 'sharp';
import type { ImageRow, RequestRow } from './ledger.ts';
import { startUpstream, type UpstreamOptions } from './server.ts';

export interface Kit {
  url: string;
  client: OpenAI;
  close(): Promise<void>;
  control(method: string, path: string, body?: unknown): Promise<{ status: number; json: Record<string, unknown> }>;
  fault(fault: Record<string, unknown>): Promise<string>;
  ledger(): Promise<{ seq: number; requests: RequestRow[]; images: ImageRow[] }>;
  /** Forgets faults, rows and maxima; puts the settings back. */
  reset(): Promise<void>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

export const KEY = 'sk-test-0000001234';

export async function startKit(options: UpstreamOptions = {}): Promise<Kit> {
  // A service opened before in the same process lets its sharp load little; the simulator draws with more.
  sharp.unblock({ operation: ['VipsForeignLoad'] });
  const settings = { latencyScale: 0, rendering: 'fast' as const, today: '2026-11-22', ...options };
  const upstream = await startUpstream(settings);
  const control: Kit['control'] = async (method, path, body) => {
    const reply = await fetch(`${upstream.url}/_sim${path}`, {
      method,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: reply.status, json: (await reply.json()) as Record<string, unknown> };
  };
  const { latencyScale, rendering, today, reality = 'today', limits = {}, linkTtlMs = 3_600_000 } = settings;
  return {
    url: upstream.url,
    client: new OpenAI({ apiKey: KEY, baseURL: upstream.baseUrl, maxRetries: 0 }),
    close: () => upstream.close(),
    control,
    fault: async (fault) => String((await control('POST', '/faults', fault)).json.id),
    ledger: async () => (await control('GET', '/ledger')).json as unknown as Awaited<ReturnType<Kit['ledger']>>,
    reset: async () => {
      await control('DELETE', '/faults');
      await control('DELETE', '/ledger');
      await control('DELETE', '/stats');
      await control('POST', '/settings', {
        latencyScale,
        rendering,
        today,
        reality,
        limits,
        linkTtlMs,
        shutdownDates: {},
        limitBurstSeconds: 60,
        limitTelling: 'headers',
      });
    },
    post: (path, body, headers = {}) =>
      fetch(upstream.url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  };
}

/** A plain picture of a size; with `alpha` half of it is see-through. */
export async function picture(
  width: number,
  height: number,
  format: 'png' | 'jpeg' | 'webp' = 'png',
  alpha = false,
): Promise<Buffer> {
  const background = alpha ? { r: 200, g: 80, b: 60, alpha: 0.5 } : { r: 200, g: 80, b: 60 };
  return sharp({ create: { width, height, channels: alpha ? 4 : 3, background } })
    .toFormat(format)
    .toBuffer();
}

/** The error a call is refused with; fails the test if it is not refused. */
export async function refusalOf(call: Promise<unknown>): Promise<APIError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof APIError) return error;
    throw error;
  }
  throw new Error('the call was not refused');
}
