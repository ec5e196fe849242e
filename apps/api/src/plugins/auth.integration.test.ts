import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GENERATION, SHOP_KEY, startApi, type TestApi, toAnswer } from '../testing/start-api.ts';

const ADMIN_KEY = 'admin-0123456789abcdef';
const PROTECTED = [
  ['POST', '/v1/jobs'],
  ['GET', '/v1/jobs'],
  ['GET', '/v1/jobs/job_01kb4xwqf7c0v3m8r5y2d9tz6n'],
  ['POST', '/v1/jobs/job_01kb4xwqf7c0v3m8r5y2d9tz6n/cancel'],
  ['POST', '/v1/jobs/job_01kb4xwqf7c0v3m8r5y2d9tz6n/retry'],
  ['GET', '/v1/jobs/job_01kb4xwqf7c0v3m8r5y2d9tz6n/attempts'],
  ['GET', '/v1/models'],
  ['GET', '/v1/models/dall-e-3'],
  ['GET', '/v1/images/img_01kb4xwqf7c0v3m8r5y2d9tz6n_0/content'],
  ['GET', '/metrics'],
] as const;

/** Sends headers that fetch would not let through; resolves with the status. */
function statusOf(url: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${url}${path}`, { headers }, (reply) => {
      reply.resume();
      resolve(reply.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('AUTH=keys', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi({ ADMIN_KEY });
  });
  afterAll(() => api.close());

  it.each(PROTECTED)('%s %s needs a key', async (method, path) => {
    const answer = await toAnswer(await fetch(`${api.url}${path}`, { method }));
    expect([answer.status, answer.json.error]).toEqual([
      401,
      {
        message: expect.stringMatching(/^You didn't provide an API key\./),
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_api_key',
      },
    ]);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  it.each([
    ['dk_wrong_0123456789abcdef', 'dk_****…cdef'],
    [`${SHOP_KEY}x`, 'dk_****…defx'],
    ['sk-proj-0123456789', '****…6789'],
    ['x', '****'],
    [ADMIN_KEY, '****…cdef'],
  ])('does not take the key %s and shows it as %s', async (key, shown) => {
    const { status, text, json } = await api.ask('/v1/jobs', { headers: { authorization: `Bearer ${key}` } });
    expect([status, json.error.code]).toEqual([401, 'invalid_api_key']);
    expect(json.error.message).toContain(`Incorrect API key provided: ${shown}.`);
    if (key.length > 1) expect(text).not.toContain(key);
  });

  it.each([`Basic ${btoa(`x:${SHOP_KEY}`)}`, SHOP_KEY, 'Bearer', `Bearer ${SHOP_KEY} ${SHOP_KEY}`])(
    'does not take %s',
    async (authorization) => {
      expect((await api.ask('/v1/jobs', { headers: { authorization } })).status).toBe(401);
    },
  );

  it('takes the scheme in any case', async () => {
    expect((await api.ask('/v1/jobs', { headers: { authorization: `bearer  ${SHOP_KEY}` } })).status).toBe(200);
  });

  it.each(['/livez', '/readyz', '/openapi.json', '/docs', '/docs/static/swagger-ui.css'])(
    '%s is open',
    async (path) => {
      await expect.poll(async () => (await fetch(`${api.url}${path}`)).status).toBe(200);
    },
  );

  it('redirects / to /docs', async () => {
    const { status, headers } = await toAnswer(await fetch(api.url, { redirect: 'manual' }));
    expect([status, headers.get('location')]).toEqual([302, '/docs']);
  });

  it('shows metrics to the admin alone', async () => {
    expect((await api.ask('/metrics')).status).toBe(403);
    const { status, headers, text } = await api.ask('/metrics', { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
    expect([status, headers.get('content-type')]).toEqual([200, expect.stringMatching(/^text\/plain/)]);
    expect(text).toContain('darkroom_http_request_duration_seconds_count');
  });

  it('checks the key before the body', async () => {
    const answer = await fetch(`${api.url}/v1/jobs`, {
      method: 'POST',
      body: '{',
      headers: { 'content-type': 'text/plain' },
    });
    expect(answer.status).toBe(401);
  });
});

describe('AUTH=off', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi({ AUTH: 'off', PUBLIC_URL: 'https://img.example' });
  });
  afterAll(() => api.close());

  it('knows one account, whatever key comes', async () => {
    const { json } = await api.post('/v1/jobs', GENERATION, { authorization: 'Bearer anything' });
    expect((await toAnswer(await fetch(`${api.url}/v1/jobs`))).json.data[0].id).toBe(json.id);
    expect(await api.deps.redis.zcard(api.deps.keys.accountJobs('default'))).toBe(1);
  });

  it('shows metrics', async () => {
    expect((await fetch(`${api.url}/metrics`)).status).toBe(200);
  });

  it.each<[string, Record<string, string>, number]>([
    ['a foreign Host', { host: 'evil.example' }, 403],
    ['a Host that only looks local', { host: 'localhost.evil.example' }, 403],
    ['another port of PUBLIC_URL', { host: 'img.example:8080' }, 403],
    ["PUBLIC_URL's Host", { host: 'img.example' }, 200],
    ['localhost', { host: 'localhost:1234' }, 200],
    ['an IPv6 loopback', { host: '[::1]:1234' }, 200],
    ['a foreign Origin', { origin: 'https://evil.example' }, 403],
    ['an opaque Origin', { origin: 'null' }, 403],
    ['a local page of another port', { host: 'localhost:3000', origin: 'http://localhost:5173' }, 403],
    ['its own page', { host: 'localhost:3000', origin: 'http://localhost:3000' }, 200],
    ["PUBLIC_URL's page", { origin: 'https://img.example' }, 200],
    ['a cross-site request', { 'sec-fetch-site': 'cross-site' }, 403],
    ['a same-origin request', { 'sec-fetch-site': 'same-origin' }, 200],
    ['a typed address', { 'sec-fetch-site': 'none' }, 200],
  ])('%s → %#', async (_what, headers, status) => {
    for (const path of ['/v1/jobs', '/livez', '/openapi.json'])
      expect(await statusOf(api.url, path, headers)).toBe(status);
  });

  it('says why in OpenAI shape', async () => {
    const { json } = await toAnswer(await fetch(`${api.url}/v1/jobs`, { headers: { 'sec-fetch-site': 'cross-site' } }));
    expect(json.error).toMatchObject({ code: 'forbidden', type: 'invalid_request_error', param: null });
  });
});
