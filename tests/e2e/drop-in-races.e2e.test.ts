// Retries at the worst moment: the first request has broken off half-way, is one of several of its kind, or lies unread
// before a frozen process.
import { request as openRequest } from 'node:http';
import type OpenAI from 'openai';
import { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, type Job, submission } from '../support/api.ts';
import { booksOfPrompt } from '../support/books.ts';
import { countingClient } from '../support/counting-client.ts';
import { picturesOf } from '../support/decode.ts';
import { type FlakyProxy, type Mishap, startFlakyProxy } from '../support/flaky-proxy.ts';
import { expectOnePurchase, jobsOf } from '../support/one-purchase.ts';
import { png } from '../support/pictures.ts';
import { type FormPart, postRaw, requestsForm } from '../support/raw-http.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const CAT = { model: 'gpt-image-2', quality: 'low', size: '1024x1024' } as const;
const UPSTREAM_MS = 1_500;

let stack: TestStack;
/** Another process; the stack's own is the one that freezes. */
let other: Api;
const proxies: FlakyProxy[] = [];

beforeAll(async () => {
  stack = await startTestStack();
  other = await stack.addApi();
  await stack.simulator.fault('latency', { params: { ms: UPSTREAM_MS } });
});
afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  await stack.stop();
});

async function proxyWith(mishaps: readonly Mishap[], target: string): Promise<FlakyProxy> {
  const proxy = await startFlakyProxy(target, mishaps);
  proxies.push(proxy);
  return proxy;
}

const generate = (openai: OpenAI, prompt: string) => openai.images.generate({ ...CAT, prompt });
const edit = async (openai: OpenAI, prompt: string) => {
  const image = await toFile(png(64), 'a.png', { type: 'image/png' });
  return openai.images.edit({ ...CAT, image, prompt });
};

const untilSent = (prompt: string, requests: number) =>
  until(`${requests} are upstream`, async () => (await booksOfPrompt(stack, prompt)).requests.length === requests);

async function expectOneJob(prompt: string, reply: OpenAI.ImagesResponse): Promise<void> {
  await expectOnePurchase({ api: other, simulator: stack.simulator }, prompt, reply);
  expect(await jobsOf({ api: other }, prompt)).toHaveLength(1);
}

describe.concurrent('a retry', () => {
  test('of an upload that broke off half-way makes the only job', async () => {
    const prompt = 'half an upload';
    const boundary = 'half-an-upload';
    const parts: FormPart[] = [
      ...Object.entries({ ...CAT, prompt }).map(([name, data]) => ({ name, data })),
      { name: 'image', filename: 'a.png', data: png(600, { isNoise: true }) },
    ];
    const body = requestsForm(boundary, parts);
    const url = `${other.url}/v1/images/edits`;
    const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` };
    await breakOff(url, { ...headers, 'content-length': String(body.length) }, body.subarray(0, body.length >> 1));
    const retry = await postRaw(url, { headers: { ...headers, 'x-stainless-retry-count': '1' }, body: [body] });
    expect(retry.status).toBe(200);
    await expectOneJob(prompt, retry.json as OpenAI.ImagesResponse);
  });

  test('of each of three of a kind finds a job of its own', async () => {
    const prompt = 'three of a kind';
    const calls = Array.from({ length: 3 }, async () => {
      const proxy = await proxyWith([{ once: () => untilSent(prompt, 3) }], other.url);
      return generate(countingClient(proxy.url).openai, prompt);
    });
    const pictures = await Promise.all((await Promise.all(calls)).map(({ data }) => picturesOf(data)));
    const { requests, images } = await booksOfPrompt(stack, prompt);
    expect(requests).toHaveLength(3);
    const got = pictures.flat().map(({ id }) => id ?? '');
    expect(got.toSorted()).toEqual(images.map(({ id }) => id).toSorted());
  });
});

describe('while a process is frozen with the first request unread,', () => {
  const sends = [generate, edit] as const;
  /** Gives up soon, and often enough for a slow machine to answer once the process goes on. */
  const HASTY = { timeout: 1_000, maxRetries: 8 };

  /** Freezes the stack's own API until `once` holds. */
  async function freeze(once: () => Promise<unknown>): Promise<void> {
    stack.stack.api.signal('SIGSTOP');
    try {
      await once();
    } finally {
      stack.stack.api.signal('SIGCONT');
    }
  }

  test('the retry may reach that same process: both are read at once, and make one job', async () => {
    const prompts = ['a generation unread', 'an edit unread'];
    const { openai, sent } = countingClient(stack.api.url, HASTY);
    const thawed = freeze(() => until('both were asked for twice', () => sent.length >= 4));
    const replies = await Promise.all(sends.map((send, at) => send(openai, prompts[at] ?? '')));
    await thawed;
    for (const [at, reply] of replies.entries()) await expectOneJob(prompts[at] ?? '', reply);
  });

  test('the same goes for batches.create and POST /v1/jobs', async () => {
    const [batchPrompt, jobPrompt] = ['a batch unread', 'a job unread'];
    const line = {
      custom_id: 'a',
      method: 'POST',
      url: '/v1/images/generations',
      body: { ...CAT, prompt: batchPrompt },
    };
    const { openai: steady } = countingClient(other.url);
    const upload = await toFile(Buffer.from(JSON.stringify(line)), 'in.jsonl');
    const input = await steady.files.create({ purpose: 'batch', file: upload });
    const { openai, sent } = countingClient(stack.api.url, HASTY);
    const thawed = freeze(() => until('both were asked for twice', () => sent.length >= 4));
    const [batch, job] = await Promise.all([
      openai.batches.create({
        input_file_id: input.id,
        endpoint: '/v1/images/generations',
        completion_window: '24h',
      }),
      openai.post<Job>('/jobs', { body: submission({ prompt: jobPrompt }) }),
    ]);
    await thawed;
    await until('the batch has ended', async () => (await steady.batches.retrieve(batch.id)).status === 'completed');
    const batches = await Array.fromAsync(steady.batches.list());
    expect(batches.map(({ id }) => id)).toEqual([batch.id]);
    await other.ended(job.id);
    expect(await jobsOf({ api: other }, jobPrompt)).toHaveLength(1);
    for (const prompt of [batchPrompt, jobPrompt]) {
      expect((await booksOfPrompt(stack, prompt)).images).toHaveLength(1);
    }
  });

  test('the retry may reach another: the job is made there alone', async () => {
    const prompts = ['a generation elsewhere', 'an edit elsewhere'];
    const proxy = await proxyWith([], stack.api.url);
    const { openai, sent } = countingClient(proxy.url, { timeout: 1_000 });
    const thawed = freeze(async () => {
      await until('both were asked for', () => proxy.seen.length === 2);
      proxy.target = other.url;
      await Promise.all(prompts.map((prompt) => untilSent(prompt, 1)));
    });
    const replies = await Promise.all(sends.map((send, at) => send(openai, prompts[at] ?? '')));
    await thawed;
    expect(sent.length).toBeGreaterThanOrEqual(4);
    for (const [at, reply] of replies.entries()) await expectOneJob(prompts[at] ?? '', reply);
  });
});

/** Sends half of what it announces, and hangs up. */
function breakOff(url: string, headers: Readonly<Record<string, string>>, half: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const request = openRequest(url, { method: 'POST', headers, agent: false });
    request.once('error', () => undefined).once('close', resolve);
    request.write(half, () => request.destroy());
  });
}
