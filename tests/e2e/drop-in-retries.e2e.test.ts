// A client's own retry never buys again: OpenAI's SDK with its default retries behind time-outs, cut lines, proxies that
// give up and an API that dies. The upstream's books say what was paid.
import { request as openRequest } from 'node:http';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, type Job, submission } from '../support/api.ts';
import { booksOfPrompt } from '../support/books.ts';
import { countingClient } from '../support/counting-client.ts';
import { picturesOf } from '../support/decode.ts';
import { type FlakyProxy, type Mishap, startFlakyProxy } from '../support/flaky-proxy.ts';
import { expectOnePurchase, jobsOf } from '../support/one-purchase.ts';
import { png } from '../support/pictures.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { thrownBy } from '../support/thrown-by.ts';
import { until } from '../support/until.ts';

type Send = (openai: OpenAI, prompt: string) => Promise<OpenAI.ImagesResponse>;

const [ALICE, BOB] = ['dk_alice0123456789abcdef', 'dk_bob0123456789abcdefgh'];
const VARIATION_PROMPT = 'the same again';
const CAT = { model: 'gpt-image-2', quality: 'low', size: '1024x1024' } as const;
/** Longer than the SDK waits before its first retry, so that a retry meets a job under way. */
const UPSTREAM_MS = 2_000;
const NOBODY = 'http://127.0.0.1:9';

let stack: TestStack;
/** Two processes: the stack's own API is the one that dies. */
let api: Api;
const proxies: FlakyProxy[] = [];

beforeAll(async () => {
  const env = { AUTH: 'keys', API_KEYS: `alice:${ALICE},bob:${BOB}`, VARIATION_PROMPT };
  stack = await startTestStack({ env }, ALICE);
  api = await stack.addApi();
  await stack.simulator.fault('latency', { params: { ms: UPSTREAM_MS } });
});
afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  await stack.stop();
});

/** The SDK behind a proxy that meets these mishaps. */
async function behind(mishaps: readonly Mishap[], target = api.url) {
  const proxy = await startFlakyProxy(target, mishaps);
  proxies.push(proxy);
  return { proxy, ...countingClient(proxy.url, { apiKey: ALICE }) };
}

/** The upstream works on it. */
const isSent = (prompt: string) => () =>
  until(`${prompt} is upstream`, async () => (await booksOfPrompt(stack, prompt)).requests.length > 0);

const file = () => toFile(png(64), 'a.png', { type: 'image/png' });
const generate: Send = (openai, prompt) => openai.images.generate({ ...CAT, prompt });
const edit: Send = async (openai, prompt) => {
  const mask = await toFile(png(64, { alpha: 'hole' }), 'm.png', { type: 'image/png' });
  return openai.images.edit({ ...CAT, image: [await file(), await file()], mask, prompt });
};

async function expectOneJob(prompt: string, reply: OpenAI.ImagesResponse): Promise<void> {
  await expectOnePurchase({ api, simulator: stack.simulator }, prompt, reply);
  expect(await jobsOf({ api }, prompt)).toHaveLength(1);
}

describe.concurrent('one job and one image, though', () => {
  interface Row {
    readonly says: string;
    readonly mishaps: (prompt: string) => readonly Mishap[];
  }
  const rows: readonly Row[] = [
    { says: 'the line was cut as soon as the request was through', mishaps: () => [{}] },
    { says: 'it was cut twice', mishaps: () => [{}, {}] },
    { says: 'it was cut while the upstream worked', mishaps: (prompt) => [{ once: isSent(prompt) }] },
    {
      says: 'a proxy in front gave up with 502 and hung up',
      mishaps: (prompt) => [{ once: isSent(prompt), answer: 502 }],
    },
    {
      says: 'a proxy in front gave up with 500 and never hung up',
      mishaps: (prompt) => [{ once: isSent(prompt), answer: 500, keepsLine: true }],
    },
  ];
  const sends = [
    ['a generation', generate],
    ['an edit', edit],
  ] as const;
  test.each(rows.flatMap((row) => sends.map(([what, send]) => ({ ...row, what, send }))))(
    '$says ($what)',
    async ({ says, mishaps, what, send }) => {
      const prompt = `${what}: ${says}`;
      const planned = mishaps(prompt);
      const { openai, sent, proxy } = await behind(planned);
      await expectOneJob(prompt, await send(openai, prompt));
      expect(sent).toEqual(['0', '1', '2'].slice(0, planned.length + 1));
      expect(proxy.seen).toEqual(sent);
    },
  );

  test.each(sends)('the client ran out of patience twice (%s)', async (what, send) => {
    const prompt = `${what}: out of patience`;
    const { openai, sent } = countingClient(api.url, { apiKey: ALICE, timeout: 1_000 });
    await expectOneJob(prompt, await send(openai, prompt));
    expect(sent.length).toBeGreaterThan(1);
  });

  test('the line was cut (a variation)', async () => {
    const { openai } = await behind([{}]);
    const reply = await openai.images.createVariation({ image: await file(), response_format: 'b64_json' });
    await expectOnePurchase({ api, simulator: stack.simulator }, VARIATION_PROMPT, reply);
  });

  test('the first request never arrived', async () => {
    const prompt = 'never arrived';
    const { openai, sent, proxy } = await behind([], NOBODY);
    const call = generate(openai, prompt);
    await until('it has failed once', () => proxy.seen.length === 1);
    proxy.target = api.url;
    await expectOneJob(prompt, await call);
    expect(sent).toEqual(['0', '1']);
  });

  test('the reply broke off in its middle and was asked for again by hand', async () => {
    const prompt = 'half a reply';
    // More than both ends of a connection hold for each other.
    const body = { ...CAT, size: '2048x2048', n: 10, prompt };
    await breakOff(`${api.url}/v1/images/generations`, body);
    const headers = { 'x-stainless-retry-count': '1' };
    const reply = await api.request('POST', '/v1/images/generations', { body, headers });
    expect(reply.status).toBe(200);
    const { requests, images } = await booksOfPrompt(stack, prompt);
    expect([requests.length, images.length]).toEqual([1, 10]);
    const pictures = await picturesOf((reply.json as OpenAI.ImagesResponse).data);
    expect(pictures.map(({ id }) => id)).toEqual(images.map(({ id }) => id));
  });

  test('the line was cut while it waited for its job (POST /v1/jobs)', async () => {
    const prompt = 'a job cut off';
    const { openai, sent } = await behind([{ once: isSent(prompt) }]);
    const headers = { prefer: 'wait=20' };
    const job: Job = await openai.post('/jobs', { body: submission({ prompt }), headers });
    expect([job.status, sent]).toEqual(['completed', ['0', '1']]);
    expect((await jobsOf({ api }, prompt)).map(({ id }) => id)).toEqual([job.id]);
    expect((await booksOfPrompt(stack, prompt)).images).toHaveLength(1);
  });
});

describe.concurrent('a retry', () => {
  test('of a job that failed after the work tells that failure and buys nothing', async () => {
    const prompt = 'refused once made';
    const model = 'gpt-image-2.6-sunburst';
    await stack.simulator.fault('moderation_output', { model });
    const { openai, sent } = await behind([{ once: isSent(prompt) }]);
    const error = await thrownBy(openai.images.generate({ ...CAT, model, prompt }));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error.code).toBe('moderation_blocked');
    expect(sent).toEqual(['0', '1']);
    // Once and, since it was blocked after the work, once more.
    expect((await booksOfPrompt(stack, prompt)).requests).toHaveLength(2);
    expect(await jobsOf({ api }, prompt)).toHaveLength(1);
  });

  test('goes to the job whose client is gone, not to one whose client still waits', async () => {
    const prompt = 'two of a kind, one unlucky';
    const steady = generate(countingClient(api.url, { apiKey: ALICE }).openai, prompt);
    await isSent(prompt)();
    const twoAreSent = () =>
      until('both are sent', async () => (await booksOfPrompt(stack, prompt)).requests.length > 1);
    const { openai } = await behind([{ once: twoAreSent }]);
    const replies = await Promise.all([steady, generate(openai, prompt)]);
    const [first, second] = await Promise.all(replies.map(({ data }) => picturesOf(data)));
    const { requests, images } = await booksOfPrompt(stack, prompt);
    expect(requests).toHaveLength(2);
    const bought = requests.map(({ id }) => images.find(({ requestId }) => requestId === id)?.id);
    expect([first?.[0]?.id, second?.[0]?.id]).toEqual(bought);
  });

  test('never finds another account’s job, nor one of another body', async () => {
    const prompt = 'nobody else’s';
    const mine = generate(countingClient(api.url, { apiKey: ALICE }).openai, prompt);
    await isSent(prompt)();
    const headers = { 'x-stainless-retry-count': '1' };
    const bob = countingClient(api.url, { apiKey: BOB }).openai;
    const other = countingClient(api.url, { apiKey: ALICE }).openai;
    const replies = await Promise.all([
      mine,
      bob.images.generate({ ...CAT, prompt }, { headers }),
      other.images.generate({ ...CAT, prompt, background: 'opaque' }, { headers }),
    ]);
    const pictures = await Promise.all(replies.map(({ data }) => picturesOf(data)));
    expect(new Set(pictures.flat().map(({ id }) => id)).size).toBe(3);
    expect((await booksOfPrompt(stack, prompt)).requests).toHaveLength(3);
  });
});

describe.concurrent('without retries', () => {
  test('two identical requests at once are two jobs', async () => {
    const prompt = 'two of a kind';
    const { openai } = countingClient(api.url, { apiKey: ALICE });
    const replies = await Promise.all([generate(openai, prompt), generate(openai, prompt)]);
    const pictures = await Promise.all(replies.map(({ data }) => picturesOf(data)));
    expect(new Set(pictures.flat().map(({ id }) => id)).size).toBe(2);
    expect((await booksOfPrompt(stack, prompt)).images).toHaveLength(2);
    expect(await jobsOf({ api }, prompt)).toHaveLength(2);
  });

  test('a hundred with one idempotency key at two processes are one', async () => {
    const prompt = 'one of a hundred';
    const body = { ...CAT, prompt, response_format: 'url' };
    const headers = { 'idempotency-key': 'a-hundred' };
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, at) =>
        (at % 2 === 0 ? api : stack.api).request('POST', '/v1/images/generations', { body, headers }),
      ),
    );
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
    expect(replies.filter((reply) => reply.headers.get('idempotent-replayed') === 'true')).toHaveLength(99);
    const late = await api.request('POST', '/v1/images/generations', { body, headers });
    expect(late.headers.get('idempotent-replayed')).toBe('true');
    const ids = new Set([...replies, late].map((reply) => reply.headers.get('x-darkroom-job-id')));
    expect(ids.size).toBe(1);
    await expectOneJob(prompt, late.json as OpenAI.ImagesResponse);
  });

  test('ten forms with one idempotency key, each with a boundary of its own, are one', async () => {
    const prompt = 'one of ten forms';
    const image = await file();
    const headers = { 'Idempotency-Key': 'ten-forms' };
    const calls = Array.from({ length: 10 }, async (_, at) => {
      const { openai } = countingClient((at % 2 === 0 ? api : stack.api).url, { apiKey: ALICE });
      return openai.images.edit({ ...CAT, image, prompt }, { headers });
    });
    const [reply = { created: 0 }] = await Promise.all(calls);
    await expectOneJob(prompt, reply);
    const { openai } = countingClient(api.url, { apiKey: ALICE });
    const other = await thrownBy(openai.images.edit({ ...CAT, image: await file(), prompt }, { headers }));
    expect(other).toMatchObject({ status: 422, code: 'idempotency_key_reuse' });
  });
});

test('an API that is killed while its callers wait: another process finds their jobs', async () => {
  const prompts = ['killed over a generation', 'killed over an edit'] as const;
  const { openai, sent, proxy } = await behind([], stack.api.url);
  const calls = Promise.all([generate(openai, prompts[0]), edit(openai, prompts[1])]);
  await Promise.all(prompts.map((prompt) => isSent(prompt)()));
  proxy.target = api.url;
  await stack.stack.api.kill();
  const replies = await calls;
  expect(sent.toSorted()).toEqual(['0', '0', '1', '1']);
  for (const [at, reply] of replies.entries()) await expectOneJob(prompts[at] ?? '', reply);
});

/** Reads the head of a reply and hangs up. */
function breakOff(url: string, body: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${ALICE}`, 'content-type': 'application/json' };
    const request = openRequest(url, { method: 'POST', headers, agent: false }, (reply) => {
      reply.once('error', () => undefined);
      request.destroy();
      resolve();
    });
    request.once('error', reject);
    request.end(JSON.stringify(body));
  });
}
