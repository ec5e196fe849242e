// The bytes of images: exactly what was paid for, for those who may have them and nobody else; and accounts that know
// nothing of each other.
import { createHash } from 'node:crypto';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Api, errorOf, type Job, type JobImage } from '../support/api.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const [ALICE, BOB] = ['dk_alice0123456789abcdef', 'dk_bob0123456789abcdefgh'];
const API_KEYS = `alice:${ALICE},bob:${BOB}`;
let stack: TestStack;
let job: Job;
let image: JobImage;
let bytes: Buffer;

beforeAll(async () => {
  stack = await startTestStack({ env: { AUTH: 'keys', API_KEYS } }, ALICE);
  job = await stack.api.run();
  image = job.images[0] as JobImage;
  bytes = await stack.api.bytes(image);
});
beforeEach(() => stack.simulator.clearFaults());
afterAll(() => stack.stop());

const get = (url: string, headers: Record<string, string> = {}, method = 'GET') => fetch(url, { method, headers });

/** The body is read to its end: a reply left half read would hold its connection. */
async function statusOf(url: string): Promise<number> {
  const reply = await get(url);
  await reply.arrayBuffer();
  return reply.status;
}

describe('the content of an image', () => {
  test('is what the upstream made, with the headers of an image', async () => {
    const [paid] = (await stack.simulator.ledger()).images;
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(paid?.sha256);
    const reply = await get(image.url);
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(paid?.bytes),
      etag: `"${paid?.sha256}"`,
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
    });
    await reply.arrayBuffer();
  });

  test.each([
    ['bytes=0-99', 0, 100],
    ['bytes=100-', 100, null],
    ['bytes=-50', -50, null],
    ['bytes=5-99999999', 5, null],
  ])('range %s', async (range, start, end) => {
    const reply = await get(image.url, { range });
    expect(reply.status).toBe(206);
    const part = bytes.subarray(start, end ?? undefined);
    expect(Buffer.from(await reply.arrayBuffer()).equals(part)).toBe(true);
    const first = start < 0 ? bytes.length + start : start;
    expect(reply.headers.get('content-range')).toBe(`bytes ${first}-${first + part.length - 1}/${bytes.length}`);
  });

  test('a range past its end is 416 with the length', async () => {
    const reply = await get(image.url, { range: `bytes=${bytes.length}-` });
    expect([reply.status, reply.headers.get('content-range')]).toEqual([416, `bytes */${bytes.length}`]);
    await reply.arrayBuffer();
  });

  test('a known etag is 304, an If-Range of another sends the whole', async () => {
    const known = await get(image.url, { 'if-none-match': `"${image.sha256}"` });
    expect([known.status, (await known.arrayBuffer()).byteLength]).toEqual([304, 0]);
    const changed = await get(image.url, { range: 'bytes=0-9', 'if-range': '"other"' });
    expect([changed.status, (await changed.arrayBuffer()).byteLength]).toEqual([200, bytes.length]);
  });

  test('HEAD has the headers and no bytes', async () => {
    const reply = await get(image.url, {}, 'HEAD');
    expect([reply.status, reply.headers.get('content-length')]).toEqual([200, String(bytes.length)]);
    expect((await reply.arrayBuffer()).byteLength).toBe(0);
  });

  test('a changed signature, expiry or id, or none, is refused', async () => {
    const url = new URL(image.url);
    const sig = url.searchParams.get('sig') ?? '';
    const changes: Record<string, string>[] = [
      { sig: (sig.startsWith('A') ? 'B' : 'A') + sig.slice(1) },
      { sig: sig.slice(0, -1) },
      { sig: '' },
      { exp: String(Number(url.searchParams.get('exp')) + 1) },
      { exp: '' },
    ];
    for (const change of changes) {
      const tampered = new URL(url);
      for (const [name, value] of Object.entries(change)) tampered.searchParams.set(name, value);
      const reply = await get(tampered.href);
      expect([reply.status, errorOf({ json: await reply.json() } as never).code]).toEqual([403, 'invalid_signature']);
    }
    const another = await get(image.url.replace(image.id, `${image.id.slice(0, -1)}1`));
    expect(another.status).toBe(403);
    const bare = await get(`${url.origin}${url.pathname}`);
    expect(bare.status).toBe(401);
    await Promise.all([another.text(), bare.text()]);
  });

  test('a link dies when it says so, a new one is had with the job', async () => {
    const brief = await stack
      .addApi({ IMAGE_URL_TTL: '1s', SIGNING_SECRET: 'x'.repeat(40), PORT: '0' })
      .catch(() => null);
    const api = brief ?? (await stack.addApi({ IMAGE_URL_TTL: '1s' }));
    const [fresh] = (await api.job(job.id)).images;
    const url = new URL(fresh?.url ?? '');
    const here = `${api.url}${url.pathname}${url.search}`;
    expect(await statusOf(here)).toBe(200);
    await until('the link has died', async () => (await statusOf(here)) === 403, 4_000);
    const renewed = new URL((await api.job(job.id)).images[0]?.url ?? '');
    expect(await statusOf(`${api.url}${renewed.pathname}${renewed.search}`)).toBe(200);
  });
});

describe('accounts', () => {
  let bob: Api;
  beforeAll(() => {
    bob = new Api(stack.stack.apiUrl, BOB);
  });

  test('see nothing of each other: not by id, list, cancel, retry, attempts or image', async () => {
    expect((await bob.list()).data).toEqual([]);
    expect((await bob.list(`?metadata[a]=b`)).data).toEqual([]);
    const missing = `job_${'0'.repeat(26)}`;
    const requests = (id: string, imageId: string): [string, string][] => [
      ['GET', `/v1/jobs/${id}`],
      ['GET', `/v1/jobs/${id}?wait=1`],
      ['POST', `/v1/jobs/${id}/cancel`],
      ['POST', `/v1/jobs/${id}/retry`],
      ['GET', `/v1/jobs/${id}/attempts`],
      ['GET', `/v1/images/${imageId}/content`],
      ['GET', `/v1/jobs?after=${id}`],
    ];
    const theirs = requests(job.id, image.id);
    const none = requests(missing, `img_${'0'.repeat(26)}_0`);
    for (const [index, [method, path]] of theirs.entries()) {
      const reply = await bob.request(method, path);
      const [, absent = ''] = none[index] ?? [];
      const other = await bob.request(method, absent);
      expect([path, reply.status]).toEqual([path, path.includes('after=') ? 400 : 404]);
      // What exists elsewhere can't be told from what exists nowhere.
      const hide = (text: string): string => text.replaceAll(job.id, 'ID').replaceAll(missing, 'ID');
      const hideImage = (text: string): string => hide(text).replaceAll(/img_[a-z0-9]+_0/g, 'IMG');
      expect(hideImage(reply.text)).toBe(hideImage(other.text));
    }
    const owner = await stack.api.request('GET', `/v1/images/${image.id}/content`);
    expect(owner.status).toBe(200);
  });

  test('have idempotency keys of their own', async () => {
    const headers = { 'idempotency-key': 'shared-key' };
    const [mine, theirs] = await Promise.all([stack.api.submit({}, {}, headers), bob.submit({ n: 2 }, {}, headers)]);
    expect(mine.id).not.toBe(theirs.id);
    expect((await bob.list()).data.map(({ id }) => id)).toEqual([theirs.id]);
    await Promise.all([stack.api.ended(mine.id), bob.ended(theirs.id)]);
  });

  test('need a key of theirs; the SDK throws its AuthenticationError', async () => {
    for (const key of [null, 'dk_wrong0123456789abcdef', ALICE.slice(0, -1), `${ALICE}x`]) {
      const reply = await new Api(stack.stack.apiUrl, key).request('GET', '/v1/jobs');
      expect([reply.status, errorOf(reply).code]).toEqual([401, 'invalid_api_key']);
      if (key !== null) expect(reply.text).not.toContain(key);
    }
    const stranger = new OpenAI({
      baseURL: `${stack.stack.apiUrl}/v1`,
      apiKey: 'dk_wrong0123456789abcdef',
      maxRetries: 0,
    });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    for (const path of ['/livez', '/readyz', '/openapi.json']) {
      expect((await new Api(stack.stack.apiUrl).request('GET', path)).status).toBe(200);
    }
  });
});
