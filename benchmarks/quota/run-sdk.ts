// A scenario with what one would write without Darkroom: the official SDK with its own retries, and p-limit for how many
// requests are under way. Nothing is stored.
import OpenAI from 'openai';
import pLimit from 'p-limit';
import type { Run } from './figures.ts';
import type { SdkScenario } from './scenarios.ts';
import type { Call } from './work.ts';

export async function runSdk(
  { atOnce, maxRetries }: SdkScenario,
  calls: readonly Call[],
  upstreamUrl: string,
): Promise<Run> {
  const client = new OpenAI({ baseURL: `${upstreamUrl}/v1`, apiKey: 'sk-bench', maxRetries });
  const startedAt = Date.now();
  const got = await pLimit(atOnce).map(calls, ({ body }) => imagesGot(client, body));
  return {
    startedAt,
    endedAt: Date.now(),
    images: got.reduce((sum, images) => sum + images, 0),
    failed: got.filter((images, index) => images !== calls[index]?.body.n).length,
    workersCpuMs: null,
    secondFrom: null,
  };
}

/** 0 when the SDK gave up; any error but a 429 is one of this benchmark. */
async function imagesGot(client: OpenAI, body: Call['body']): Promise<number> {
  try {
    const { data = [] } = await client.images.generate(body);
    return data.length;
  } catch (error) {
    if (error instanceof OpenAI.RateLimitError) return 0;
    throw error;
  }
}
