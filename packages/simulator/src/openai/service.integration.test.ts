import { NotFoundError, toFile } from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findImageId } from './image-id.ts';
import { startUpstream } from './server.ts';
import { KEY, type Kit, picture, refusalOf, startKit } from './test-kit.ts';

let kit: Kit;
beforeAll(async () => {
  kit = await startKit();
});
afterAll(() => kit.close());
beforeEach(() => kit.reset());

const generate = (model: string, more: Record<string, unknown> = {}) =>
  kit.client.images.generate({ model, prompt: 'a cat', ...more });

describe('reality today', () => {
  test.each(['dall-e-2', 'dall-e-3', 'gpt-image-1'])('%s does not exist', async (model) => {
    const error = await refusalOf(generate(model));
    expect(error).toMatchObject({
      status: 400,
      type: 'image_generation_user_error',
      code: 'invalid_value',
      param: 'model',
      message: `400 The model '${model}' does not exist.`,
    });
    expect((await kit.ledger()).requests[0]).toMatchObject({ outcome: 'rejected', status: 400, model });
  });

  test.each(['gpt-image-1-mini', 'gpt-image-1.5', 'chatgpt-image-latest'])('%s works until its day', async (model) => {
    expect((await generate(model)).data).toHaveLength(1);
    await kit.control('POST', '/settings', { today: '2026-12-01' });
    expect((await refusalOf(generate(model))).message).toMatch(/does not exist/);
    expect((await generate('gpt-image-2')).data).toHaveLength(1);
  });

  test.each([{ authorization: `Bearer ${KEY}` }, {}])(
    'the variations route is an empty 404 for %j',
    async (headers) => {
      const body = new FormData();
      body.append('image', new Blob([await picture(8, 8)], { type: 'image/png' }), 'a.png');
      const reply = await fetch(`${kit.url}/v1/images/variations`, { method: 'POST', headers, body });
      expect([reply.status, await reply.text()]).toEqual([404, '']);
      expect([reply.headers.get('content-type'), reply.headers.get('x-request-id')]).toEqual([null, null]);
    },
  );

  test('the SDK sees the empty 404 as described', async () => {
    const image = await toFile(await picture(8, 8), 'a.png', { type: 'image/png' });
    const error = await refusalOf(kit.client.images.createVariation({ image }));
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error.message).toBe('404 status code (no body)');
  });

  test('the list of models has what is alive, with its day of shutdown', async () => {
    const { data } = await kit.client.models.list();
    const ids = data.map((model) => model.id);
    expect(ids).toContain('gpt-image-2-2026-04-21');
    expect(ids).not.toContain('dall-e-3');
    expect(await kit.client.models.retrieve('gpt-image-1.5')).toMatchObject({ shutdown_date: '2026-12-01' });
    expect(await kit.client.models.retrieve('gpt-image-2')).toMatchObject({ shutdown_date: null });
    expect(await refusalOf(kit.client.models.retrieve('dall-e-3'))).toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  test('the day of shutdown it tells can be set', async () => {
    const shutdownDates = { 'gpt-image-2': '2027-03-01', 'gpt-image-1.5': null };
    expect((await kit.control('POST', '/settings', { shutdownDates })).status).toBe(200);
    const told = async (model: string) => (await kit.client.models.retrieve(model)).shutdown_date;
    expect(await told('gpt-image-2-2026-04-21')).toBe('2027-03-01');
    expect(await told('gpt-image-1.5')).toBeNull();
    expect(await told('chatgpt-image-latest')).toBe('2026-12-01');
    expect((await kit.control('POST', '/settings', { shutdownDates: { x: 'soon' } })).status).toBe(400);
  });
});

describe('keys and routes', () => {
  test('a missing key and an unknown key are 401', async () => {
    const upstream = await startUpstream({ apiKeys: [KEY], latencyScale: 0, rendering: 'fast' });
    const call = async (headers: Record<string, string>) => {
      const body = JSON.stringify({ model: 'gpt-image-2', prompt: 'x' });
      const reply = await fetch(`${upstream.baseUrl}/images/generations`, { method: 'POST', body, headers });
      return { status: reply.status, json: (await reply.json()) as object };
    };
    expect(await call({})).toMatchObject({ status: 401, json: { error: { code: null } } });
    expect(await call({ authorization: 'Bearer sk-wrong-abcd' })).toMatchObject({
      status: 401,
      json: {
        error: { code: 'invalid_api_key', message: expect.stringMatching(/^Incorrect API key provided: sk-\*+abcd\./) },
      },
    });
    expect((await call({ authorization: `Bearer ${KEY}`, 'content-type': 'application/json' })).status).toBe(200);
    await upstream.close();
  });

  test.each(['/v1/nothing', '/v1/chat/completions', '/elsewhere'])('%s is no route', async (path) => {
    const reply = await kit.post(path, {});
    expect(reply.status).toBe(404);
    expect(await reply.json()).toMatchObject({
      error: { message: `Invalid URL (POST ${path})`, param: null, code: null },
    });
  });
});

describe('result links of DALL-E', () => {
  beforeEach(() => kit.control('POST', '/settings', { reality: 'everything' }));

  test('have the shape of the real ones and give the image', async () => {
    const reply = await generate('dall-e-3');
    const entry = reply.data?.[0];
    const url = new URL(entry?.url ?? '');
    expect(url.pathname).toMatch(/^\/private\/org-\w+\/user-\w+\/img-\w+\.png$/);
    expect([...url.searchParams.keys()]).toEqual(['st', 'se', 'sp', 'sv', 'sr', 'rscd', 'rsct', 'sig']);
    const hours = Date.parse(url.searchParams.get('se') ?? '') - Date.parse(url.searchParams.get('st') ?? '');
    expect(hours).toBe(7_200_000);
    expect(entry?.revised_prompt).toContain('a cat');
    const download = await fetch(url);
    expect(download.headers.get('content-type')).toBe('image/png');
    const bytes = Buffer.from(await download.arrayBuffer());
    expect((await kit.ledger()).images[0]?.id).toBe(findImageId(bytes));
  });

  test('die after their time, cannot be altered, and are nobody else’s', async () => {
    const url = (await generate('dall-e-2', { size: '256x256' })).data?.[0]?.url ?? '';
    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(url.replace('sp=r', 'sp=w'))).status).toBe(403);
    expect((await fetch(url.replace(/sig=.*/, 'sig=x'))).status).toBe(403);
    await kit.control('POST', '/settings', { linkTtlMs: 0 });
    const dead = (await generate('dall-e-2', { size: '256x256' })).data?.[0]?.url ?? '';
    const reply = await fetch(dead);
    expect([reply.status, await reply.text()]).toEqual([
      403,
      expect.stringContaining('<Code>AuthenticationFailed</Code>'),
    ]);
  });
});

describe('limits', () => {
  test('the image over the limit is refused with the numbers, and success carries headers', async () => {
    await kit.control('POST', '/settings', {
      limits: { 'gpt-image-2': { images_per_minute: 4, requests_per_minute: 100 } },
    });
    const first = await kit.post('/v1/images/generations', { model: 'gpt-image-2', prompt: 'x', n: 3 });
    expect(first.headers.get('x-ratelimit-limit-input-images')).toBe('4');
    expect(first.headers.get('x-ratelimit-remaining-input-images')).toBe('1');
    const error = await refusalOf(generate('gpt-image-2', { n: 2 }));
    expect(error).toMatchObject({ status: 429, type: 'input-images', code: 'rate_limit_exceeded' });
    expect(error.message).toMatch(
      /on input-images per min: Limit 4, Used 3, Requested 2\. Please try again in 1\d(\.\d+)?s\./,
    );
    expect(Number(error.headers?.get('retry-after'))).toBe(15);
    expect((await kit.control('GET', '/stats')).json).toMatchObject({ rejected429: 1, images: 3, requests: 2 });
    await kit.control('POST', '/settings', { limits: {} });
    expect((await generate('gpt-image-2', { n: 10 })).data).toHaveLength(10);
  });

  test('can be told by refusals alone, and hold less than a minute at once', async () => {
    const limits = { 'gpt-image-2': { images_per_minute: 60 } };
    await kit.control('POST', '/settings', { limits, limitBurstSeconds: 2, limitTelling: 'message' });
    const first = await kit.post('/v1/images/generations', { model: 'gpt-image-2', prompt: 'x', n: 2 });
    expect([first.status, first.headers.get('x-ratelimit-limit-input-images')]).toEqual([200, null]);
    const error = await refusalOf(generate('gpt-image-2', { n: 2 }));
    expect(error.message).toMatch(/Limit 60, Used 60, Requested 2\. Please try again in (1\.\d+|2)s\./);
    expect(error.headers?.get('x-ratelimit-limit-input-images')).toBeNull();
  });

  test('tokens count as estimated', async () => {
    await kit.control('POST', '/settings', { limits: { 'gpt-image-2': { tokens_per_minute: 2000 } } });
    await generate('gpt-image-2', { quality: 'medium' });
    expect(await refusalOf(generate('gpt-image-2', { quality: 'medium' }))).toMatchObject({
      status: 429,
      type: 'tokens',
    });
  });
});

describe('control', () => {
  test('the ledger can be read from a point on and emptied', async () => {
    await generate('gpt-image-2', { prompt: 'p'.repeat(300) });
    const all = await kit.ledger();
    expect(all.requests[0]).toMatchObject({
      prompt: 'p'.repeat(200),
      promptHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    await generate('gpt-image-2');
    const { json } = await kit.control('GET', `/ledger?since=${all.seq}`);
    expect(json).toMatchObject({ requests: [{ prompt: 'a cat' }], images: [{ prompt: 'a cat' }] });
    await kit.control('DELETE', '/ledger');
    expect(await kit.ledger()).toMatchObject({ requests: [], images: [] });
  });

  test('ids are unique within and between runs', async () => {
    await Promise.all(Array.from({ length: 10 }, () => generate('gpt-image-2', { n: 10 })));
    const other = await startKit();
    await other.client.images.generate({ model: 'gpt-image-2', prompt: 'x' });
    const images = [...(await kit.ledger()).images, ...(await other.ledger()).images];
    await other.close();
    expect(new Set(images.map((image) => image.id)).size).toBe(101);
    expect(new Set(images.map((image) => image.sha256)).size).toBe(101);
  });

  test('settings are read and changed, wrong ones named', async () => {
    expect((await kit.control('GET', '/settings')).json).toMatchObject({
      reality: 'today',
      rendering: 'fast',
      latencyScale: 0,
    });
    const wrong: [unknown, RegExp][] = [
      [{ reality: 'x' }, /reality must be today or everything/],
      [{ latencyScale: -1 }, /latencyScale must be a number >= 0/],
      [{ today: 'x' }, /today must be/],
      [{ color: 1 }, /unknown setting 'color'/],
      [{ limits: [] }, /limits must be/],
      [{ limitTelling: 'all' }, /limitTelling must be headers or message or wait/],
      [{ limits: { a: 1 } }, /limits\.a must be/],
      [{ limits: { a: { b: 1 } } }, /unknown limits\.a\.b/],
      [{ limits: { a: { images_per_minute: 'x' } } }, /must be a number/],
      [[], /JSON object/],
    ];
    for (const [change, message] of wrong) {
      const { status, json } = await kit.control('POST', '/settings', change);
      expect([status, json.error]).toEqual([400, expect.stringMatching(message)]);
    }
    await expect(startUpstream({ latencyScale: Number.NaN })).rejects.toThrow('latencyScale');
  });

  test('health, and no other control routes', async () => {
    expect((await kit.control('GET', '/health')).json).toEqual({ ok: true });
    expect((await kit.control('GET', '/nothing')).status).toBe(404);
  });

  test('latency scales', async () => {
    await kit.control('POST', '/settings', { latencyScale: 0.005 });
    await generate('gpt-image-2', { quality: 'medium' });
    const [row] = (await kit.ledger()).requests;
    expect((row?.endedAt ?? 0) - (row?.at ?? 0)).toBeGreaterThanOrEqual(75);
  });

  test('close ends what is waiting', async () => {
    const other = await startKit();
    await other.fault({ kind: 'latency', params: { ms: 600_000 } });
    const call = other.client.images.generate({ model: 'gpt-image-2', prompt: 'x' });
    const cut = expect(call).rejects.toThrow('Connection error');
    await expect.poll(async () => (await other.control('GET', '/stats')).json.inFlight).toBe(1);
    await other.close();
    await cut;
  });
});
