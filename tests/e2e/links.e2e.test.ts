// Upstreams that answer with links instead of bytes: a link lives for seconds, the paid image must outlive it.
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { startUrlUpstream, type UrlUpstream } from '../support/url-upstream.ts';

const LINK_LIFE_MS = 3_000;
let stack: TestStack;
let upstream: UrlUpstream;

beforeAll(async () => {
  upstream = await startUrlUpstream(LINK_LIFE_MS);
  stack = await startTestStack({
    upstream: { baseUrl: upstream.baseUrl, apiKey: 'sk-links' },
    env: { MODEL_POLICY: 'passthrough' },
  });
});
afterAll(async () => {
  try {
    await stack.stop();
  } finally {
    await upstream.stop();
  }
});

function count(): { bought: number; downloads: number } {
  return { bought: upstream.bought, downloads: upstream.downloads };
}

test('links that die after 3 s lose nothing: every image is downloaded once, at once, and kept', async () => {
  const before = count();
  const jobs = await Promise.all(
    ['dall-e-3', 'dall-e-2', 'gpt-image-2'].map((model) => stack.api.run({ model, quality: undefined, n: 1 })),
  );
  const fanned = await stack.api.run({ model: 'dall-e-3', quality: 'standard', n: 4 });
  expect([...jobs, fanned].map((job) => job.status)).toEqual(Array.from({ length: 4 }, () => 'completed'));
  expect(count()).toEqual({ bought: before.bought + 7, downloads: before.downloads + 7 });
  await until(
    'the links have died',
    async () => (await fetch(`${new URL(upstream.baseUrl).origin}/image/0`)).status === 403,
  );
  for (const image of [...jobs, fanned].flatMap((job) => job.images)) {
    expect(await stack.api.bytes(image)).toEqual(upstream.bytes);
    expect(image.url.startsWith(stack.api.url.replace('127.0.0.1', 'localhost'))).toBe(true);
  }
});

test('a host that answers 503 twice is asked again, and nothing is bought twice', async () => {
  const before = count();
  upstream.break(503, 500);
  const job = await stack.api.run();
  expect(job.status).toBe('completed');
  expect(count()).toEqual({ bought: before.bought + 1, downloads: before.downloads + 3 });
});

test('a host that is away for longer frees the worker; the links are followed until it is back', async () => {
  const before = count();
  upstream.lifeMs = 60_000;
  upstream.break(...Array.from({ length: 6 }, () => 503));
  const { id } = await stack.api.submit();
  await stack.worker.line(/a paid answer waits in the spool/);
  expect(await stack.api.job(id)).toMatchObject({ status: 'in_progress', images: [] });
  expect((await stack.api.ended(id)).status).toBe('completed');
  expect(count()).toEqual({ bought: before.bought + 1, downloads: before.downloads + 7 });
  upstream.lifeMs = LINK_LIFE_MS;
});

test('while the links’ host is away no other call of the model is bought; one download that works lets them go on', async () => {
  const before = count();
  upstream.lifeMs = 60_000;
  upstream.break(...Array.from({ length: 8 }, () => 503));
  const first = await stack.api.submit({ model: 'dall-e-2', quality: undefined });
  await stack.worker.line(/dall-e-2.*can’t be followed/);
  const others = await Promise.all(
    Array.from({ length: 5 }, () => stack.api.submit({ model: 'dall-e-2', quality: undefined })),
  );
  await until('the link was tried again and again', () => upstream.downloads >= before.downloads + 7);
  expect(upstream.bought).toBe(before.bought + 1);
  for (const { id } of [first, ...others]) expect((await stack.api.ended(id)).status).toBe('completed');
  expect(upstream.bought).toBe(before.bought + 6);
  upstream.lifeMs = LINK_LIFE_MS;
});

test('with storage away longer than the link lives, the bytes fetched at once are stored later', async () => {
  const before = count();
  const images = join(stack.directory, 'images');
  await rename(images, `${images}.away`);
  await writeFile(images, 'not a folder');
  const { id } = await stack.api.submit();
  await until('the link was followed', () => upstream.downloads > before.downloads);
  await until('a link made after it has died', async () => {
    const last = upstream.bought - 1;
    return (await fetch(`${new URL(upstream.baseUrl).origin}/image/${last}`)).status === 403;
  });
  expect((await stack.api.job(id)).status).toBe('in_progress');
  await rm(images);
  await rename(`${images}.away`, images);
  const job = await stack.api.ended(id);
  expect(job.status).toBe('completed');
  expect(upstream.bought).toBe(before.bought + 1);
  expect(await stack.api.bytes(job.images[0] ?? { url: '' })).toEqual(upstream.bytes);
});

test('an image that is not there yet is asked for again, and nothing is bought twice', async () => {
  const before = count();
  upstream.break(404, 403);
  const job = await stack.api.run({ model: 'dall-e-3', quality: 'standard' });
  expect(job.status).toBe('completed');
  expect(count()).toEqual({ bought: before.bought + 1, downloads: before.downloads + 3 });
});

test('a link that is dead from its start to its end is said to be paid and lost, and is not bought again', async () => {
  const before = count();
  upstream.break(404, 404, 404, 404);
  const job = await stack.api.run({ model: 'dall-e-3', quality: 'standard' });
  expect(job).toMatchObject({ status: 'failed', error: { code: 'result_lost' } });
  expect(upstream.bought).toBe(before.bought + 1);
  expect(job.usage.cost_usd).toBeCloseTo(0.04, 6);
});
