import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob } from '../testing/finish-job.ts';
import { GENERATION, SHOP_KEY, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ MAX_QUEUE_DEPTH: '2' });
});
afterAll(() => api.close());

const JSON_TYPE = { 'content-type': 'application/json' };

/** Sends raw bytes; resolves with everything that comes back. */
function exchange(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let reply = '';
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => {
      reply += chunk.toString();
    });
    socket.on('close', () => resolve(reply));
    socket.on('error', reject);
  });
}

describe('every error reply', () => {
  it.each<[string, string, RequestInit, number, string]>([
    ['an unknown path', '/v1/foo', {}, 404, 'not_found'],
    ['an unknown path with a body of any type', '/v1/foo', { method: 'POST', body: 'x' }, 404, 'not_found'],
    ['a trailing slash', '/v1/models/dall-e-3/', {}, 404, 'not_found'],
    ['a malformed path', '/v1/jobs/%zz', {}, 404, 'not_found'],
    ['a very long id', `/v1/jobs/${'x'.repeat(300)}`, {}, 404, 'not_found'],
    ['another method', '/v1/jobs', { method: 'DELETE' }, 405, 'method_not_allowed'],
    ['another method with a body of any type', '/v1/models', { method: 'PUT', body: 'x' }, 405, 'method_not_allowed'],
    ['another content type', '/v1/jobs', { method: 'POST', body: 'x' }, 415, 'unsupported_media_type'],
    ['a form', '/v1/jobs', { method: 'POST', body: new URLSearchParams({ a: '1' }) }, 415, 'unsupported_media_type'],
    ['no body', '/v1/jobs', { method: 'POST' }, 400, 'invalid_json'],
    ['an empty body', '/v1/jobs', { method: 'POST', body: '', headers: JSON_TYPE }, 400, 'invalid_json'],
    ['broken JSON', '/v1/jobs', { method: 'POST', body: '{"a":', headers: JSON_TYPE }, 400, 'invalid_json'],
    [
      'broken UTF-8',
      '/v1/jobs',
      { method: 'POST', body: Buffer.from('"\xff"', 'latin1'), headers: JSON_TYPE },
      400,
      'invalid_json',
    ],
    [
      'a packed body',
      '/v1/jobs',
      { method: 'POST', body: '{}', headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } },
      415,
      'unsupported_media_type',
    ],
    [
      'a body over 1 MiB',
      '/v1/images/generations',
      { method: 'POST', body: `"${'x'.repeat(1_048_576)}"`, headers: JSON_TYPE },
      413,
      'request_too_large',
    ],
    [
      'a deep body',
      '/v1/jobs',
      { method: 'POST', body: '['.repeat(500_000) + ']'.repeat(500_000), headers: JSON_TYPE },
      400,
      'invalid_type',
    ],
  ])('has the shape of OpenAI for %s', async (_what, path, init, status, code) => {
    const answer = await api.ask(path, init);
    expect([answer.status, answer.json.error.code]).toEqual([status, code]);
    expect(answer.json).toEqual({
      error: { message: expect.any(String), type: 'invalid_request_error', param: null, code },
    });
    expect(answer.headers.get('x-request-id')).toMatch(/^req_[0-9a-z]{26}$/);
  });

  it('repeats the method and path of an unknown URL, without its query', async () => {
    const { json } = await api.ask('/v1/foo?sig=secret');
    expect(json.error.message).toMatch(/^Unknown request URL: GET \/v1\/foo\. /);
  });

  it.each([
    ['/v1/jobs', 'GET, HEAD, POST'],
    ['/v1/jobs/x/cancel', 'POST'],
    ['/v1/models', 'GET, HEAD'],
    ['/v1/images/x/content', 'GET, HEAD'],
    ['/livez', 'GET, HEAD'],
  ])('names the methods of %s', async (path, allow) => {
    expect((await api.ask(path, { method: 'PATCH' })).headers.get('allow')).toBe(allow);
  });

  it('does not trust an incoming x-request-id', async () => {
    const { headers } = await api.ask('/livez', { headers: { 'x-request-id': 'mine' } });
    expect(headers.get('x-request-id')).toMatch(/^req_/);
  });

  it('answers what is not HTTP', async () => {
    const reply = await exchange('nonsense\r\n\r\n');
    expect(reply).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(reply).toContain('x-request-id: req_');
    expect(JSON.parse(reply.split('\r\n\r\n')[1] ?? '').error.code).toBe('invalid_value');
  });

  it('answers headers that are too large', async () => {
    expect(await exchange(`GET / HTTP/1.1\r\nhost: x\r\na: ${'x'.repeat(20_000)}\r\n\r\n`)).toContain(
      'The request headers are too large.',
    );
  });
});

describe('a full lane', () => {
  it('refuses new jobs with 429, answers replays, and takes other models', async () => {
    const key = { 'idempotency-key': 'first' };
    const first = await api.post('/v1/jobs', GENERATION, key);
    await api.post('/v1/jobs', GENERATION);
    const { status, headers, json } = await api.post('/v1/jobs', GENERATION);
    expect([status, json.error.code, json.error.type]).toEqual([429, 'queue_full', 'rate_limit_error']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await api.post('/v1/jobs', GENERATION, key)).json.id).toBe(first.json.id);
    const elsewhere = { ...GENERATION, input: { ...GENERATION.input, model: 'gpt-image-2.6-sunburst' } };
    expect((await api.post('/v1/jobs', elsewhere)).status).toBe(202);
  });
});

describe('a bug', () => {
  it('is a 500 that says nothing of its cause, which is logged', async () => {
    const id = 'job_01kb4xwqf7c0v3m8r5y2d9tz6n';
    await api.deps.redis.hset(api.deps.keys.job(id), { state: '{}', spec: '{"broken' });
    const { status, json } = await api.ask(`/v1/jobs/${id}`);
    expect([status, json.error]).toEqual([
      500,
      {
        message: 'The server had an error while processing your request.',
        type: 'server_error',
        param: null,
        code: 'internal_error',
      },
    ]);
    expect(api.lines.some((line) => line.includes('RedisReplyError') && line.includes('request failed'))).toBe(true);
  });
});

describe('the request log', () => {
  it('is one line with route template, status, time, request, account and job', async () => {
    const { headers, json } = await api.post('/v1/jobs', {
      ...GENERATION,
      input: { ...GENERATION.input, model: 'gpt-image-2' },
    });
    const requestId = headers.get('x-request-id') ?? '';
    await expect.poll(() => api.lines.filter((line) => line.includes(requestId))).toHaveLength(1);
    expect(JSON.parse(api.lines.find((line) => line.includes(requestId)) ?? '')).toMatchObject({
      msg: 'request',
      method: 'POST',
      route: '/v1/jobs',
      status: 202,
      ms: expect.any(Number),
      requestId,
      account: 'shop',
      jobId: json.id,
    });
  });

  it('is written once for a caller that leaves', async () => {
    const { json } = await api.post('/v1/jobs', {
      ...GENERATION,
      input: { ...GENERATION.input, model: 'gpt-image-2.5-flare' },
    });
    const leaving = new AbortController();
    const arrived = once(api.server, 'request');
    const waiting = fetch(`${api.url}/v1/jobs/${json.id}?wait=60`, {
      signal: leaving.signal,
      headers: { authorization: `Bearer ${SHOP_KEY}` },
    });
    await arrived;
    leaving.abort();
    await expect(waiting).rejects.toThrow();
    const linesOf = () => api.lines.filter((line) => line.includes('"status":499'));
    await expect.poll(linesOf, { timeout: 5_000 }).toHaveLength(1);
    expect(JSON.parse(linesOf()[0] ?? '')).toMatchObject({ route: '/v1/jobs/:id', method: 'GET' });
    await completeJob(api.deps, json.id);
    await api.ask(`/v1/jobs/${json.id}?wait=60`);
    expect(linesOf()).toHaveLength(1);
  });
});

describe('metrics', () => {
  it('count by route template, and unknown paths as one', async () => {
    for (const path of ['/v1/nowhere', '/v1/elsewhere']) await api.ask(path);
    const { text } = await api.ask('/metrics');
    expect(text).not.toMatch(/nowhere|elsewhere/);
    expect(text).toMatch(/http_request_duration_seconds_count\{route="unknown",method="GET",status="404"\} \d+/);
    expect(text).toContain('darkroom_jobs_accepted_total{operation="generation",model="gpt-image-2.6-flare"} 2');
    expect(text).toContain('darkroom_lane_depth_calls{model="gpt-image-2.6-flare"} 2');
  });
});
