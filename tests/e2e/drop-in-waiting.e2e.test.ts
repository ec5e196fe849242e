// Sync requests whose job can't go on: a stopped bucket, a full queue, a paused upstream key, a caller who leaves or whom
// Darkroom can't keep waiting. By OpenAI's SDK with its default retries.
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Job } from '../support/api.ts';
import { booksOfPrompt } from '../support/books.ts';
import { type CountingClient, countingClient } from '../support/counting-client.ts';
import { expectOnePurchase } from '../support/one-purchase.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { thrownBy } from '../support/thrown-by.ts';
import { until } from '../support/until.ts';

type Generate = OpenAI.Images.ImageGenerateParamsNonStreaming;

const CAT = { model: 'gpt-image-2', quality: 'low', size: '1024x1024' } as const;
let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack();
});
beforeEach(() => stack.reset());
afterAll(() => stack.stop());

const openJobs = async (): Promise<readonly Job[]> => {
  const lists = await Promise.all(['queued', 'in_progress'].map((status) => stack.api.list(`?status=${status}`)));
  return lists.flatMap(({ data }) => data);
};

/** The job of a request that still waits for its reply. */
const jobOf = (prompt: string): Promise<Job> =>
  until('the job is there', async () => (await openJobs()).find(({ input }) => input['prompt'] === prompt));

async function cancelAll(): Promise<void> {
  for (const { id } of await openJobs()) {
    await stack.api.cancel(id);
    await stack.api.ended(id);
  }
}

describe('while the model’s bucket is stopped', () => {
  /** One call is told to come again in a minute; all others wait behind it. */
  async function stopBucket(prompt: string): Promise<void> {
    await stack.simulator.fault('rate_limit_images', { count: 1, params: { limit: 6_000, retryAfterMs: 60_000 } });
    const { id } = await stack.api.submit({ ...CAT, prompt });
    await until('the bucket has stopped', async () => (await stack.api.attempts(id))[0]?.outcome === 'rejected');
  }

  test('a job cancelled while its caller waits is a ConflictError, told once', async () => {
    await stopBucket('in front of the cancelled');
    const { openai, sent } = countingClient(stack.api.url);
    const call = thrownBy(openai.images.generate({ ...CAT, prompt: 'cancelled meanwhile' }));
    const { id } = await jobOf('cancelled meanwhile');
    await stack.api.cancel(id);
    const error = await call;
    expect(error).toBeInstanceOf(OpenAI.ConflictError);
    expect(error).toMatchObject({ status: 409, code: 'cancelled' });
    expect(error.headers?.get('x-should-retry')).toBe('false');
    expect(sent).toEqual(['0']);
    await cancelAll();
  });

  test('a job that expires is an InternalServerError, told once', async () => {
    await stopBucket('in front of the expired');
    const { openai, sent } = countingClient(stack.api.url);
    const fields = { ...CAT, prompt: 'expired meanwhile', expires_after: 1 } as Generate;
    const error = await thrownBy(openai.images.generate(fields));
    expect(error).toBeInstanceOf(OpenAI.InternalServerError);
    expect(error).toMatchObject({ status: 504, code: 'expired' });
    expect(error.headers?.get('x-should-retry')).toBe('false');
    expect(sent).toEqual(['0']);
    expect((await booksOfPrompt(stack, 'expired meanwhile')).images).toEqual([]);
    await cancelAll();
  });

  test('a full queue is a RateLimitError that says when to come again, and makes no job', async () => {
    await stopBucket('in front of the queue');
    const small = await stack.addApi({ MAX_QUEUE_DEPTH: '1' });
    const async = { headers: { prefer: 'respond-async' } };
    await until('the queue is full', async () => {
      const body = { ...CAT, prompt: 'one more in the queue' };
      return (await small.request('POST', '/v1/images/generations', { body, ...async })).status === 429;
    });
    // The told wait is half a minute, and the SDK would keep it.
    const { openai } = countingClient(small.url, { maxRetries: 0 });
    const error = await thrownBy(openai.images.generate({ ...CAT, prompt: 'no room' }));
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error).toMatchObject({ status: 429, code: 'queue_full' });
    expect(Number(error.headers?.get('retry-after'))).toBeGreaterThan(0);
    expect(error.headers?.get('x-should-retry')).not.toBe('false');
    expect((await openJobs()).map(({ input }) => input['prompt'])).not.toContain('no room');
    await cancelAll();
  });
});

describe('while every upstream key is paused, a new request is refused at once and makes no job:', () => {
  const rows = [
    { kind: 'insufficient_quota', errorClass: OpenAI.RateLimitError, status: 429, code: 'insufficient_quota' },
    { kind: 'billing_hard_limit', errorClass: OpenAI.BadRequestError, status: 400, code: 'billing_hard_limit_reached' },
    { kind: 'invalid_api_key', errorClass: OpenAI.InternalServerError, status: 503, code: 'upstream_unauthorized' },
  ] as const;
  test.each(rows)('$kind', async ({ kind, errorClass, status, code }) => {
    await stack.simulator.fault(kind);
    const first = await stack.api.submit({ ...CAT, prompt: `meets ${kind}` });
    await until('the key is paused', async () => (await stack.api.attempts(first.id))[0]?.outcome === 'rejected');
    const { openai, sent } = countingClient(stack.api.url);
    const error = await thrownBy(openai.images.generate({ ...CAT, prompt: `after ${kind}` }));
    expect(error).toBeInstanceOf(errorClass);
    expect(error).toMatchObject({ status, code });
    expect(error.headers?.get('x-should-retry')).toBe('false');
    expect(sent).toEqual(['0']);
    expect((await openJobs()).map(({ id }) => id)).toEqual([first.id]);
    await cancelAll();
  });
});

describe('a caller', () => {
  const slow = (ms: number) => stack.simulator.fault('latency', { params: { ms } });

  test('kept waiting past SYNC_TIMEOUT_MS is told to ask again, and gets its image by asking', async () => {
    await slow(2_500);
    const brief = await stack.addApi({ SYNC_TIMEOUT_MS: '1000' });
    const once: CountingClient = countingClient(brief.url, { maxRetries: 0 });
    const patient = countingClient(brief.url, { maxRetries: 10 });
    const [error, reply] = await Promise.all([
      thrownBy(once.openai.images.generate({ ...CAT, prompt: 'asked once' })),
      patient.openai.images.generate({ ...CAT, prompt: 'asked again' }),
    ]);
    expect(error).toBeInstanceOf(OpenAI.InternalServerError);
    expect(error).toMatchObject({ status: 504, code: 'job_still_running' });
    expect(error.headers?.get('x-should-retry')).toBe('true');
    expect(patient.sent.length).toBeGreaterThan(1);
    await expectOnePurchase(stack, 'asked again', reply);
    const left = await stack.api.ended(error.headers?.get('x-darkroom-job-id') ?? '');
    expect(left).toMatchObject({ status: 'completed', input: { prompt: 'asked once' } });
  });

  test('who leaves has left the job running', async () => {
    await slow(1_000);
    const { openai } = countingClient(stack.api.url);
    const leaving = new AbortController();
    const call = openai.images.generate({ ...CAT, prompt: 'left alone' }, { signal: leaving.signal });
    const { id } = await jobOf('left alone');
    leaving.abort();
    await expect(call).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    const job = await stack.api.ended(id);
    expect(job.status).toBe('completed');
    expect((await stack.api.bytes(job.images[0] ?? { url: '' })).length).toBe(job.images[0]?.bytes);
  });
});
