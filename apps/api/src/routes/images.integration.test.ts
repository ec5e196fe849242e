import { readJob } from '@darkroom/shared/jobs/store.ts';
import { imagesResponseSchema } from '@darkroom/shared/requests/images-schemas.ts';
import { jobSchema } from '@darkroom/shared/requests/schemas.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeCalls, completeJob, failCall, failJob, newestJob } from '../testing/finish-job.ts';
import { type Answer, startApi, type TestApi } from '../testing/start-api.ts';

const URL = '/v1/images/generations';
const CAT = { model: 'gpt-image-2.6-flare', prompt: 'a cat', size: '1024x1024', quality: 'low' };
const PICTURE = Buffer.from('not really a picture');

let api: TestApi;
let made = 0;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

/** Asks, lets `work` do what a worker would, and gives the reply. */
async function exchange(body: object, work: (jobId: string) => Promise<unknown>, headers = {}) {
  const reply = api.post(URL, body, headers);
  const id = await newestJob(api.deps, (made += 1));
  await work(id);
  return { id, ...(await reply) };
}

const complete = (id: string) => completeJob(api.deps, id, PICTURE);
const record = async (id: string) => (await readJob(api.deps.redis, api.deps.keys, id)) ?? expect.fail();
const shouldRetry = ({ headers }: Answer): string | null => headers.get('x-should-retry');

describe('POST /v1/images/generations', () => {
  it('waits for the images and has them as base64 in OpenAI’s shape', async () => {
    const { id, status, headers, json, text } = await exchange({ ...CAT, n: 3 }, complete);
    expect(status).toBe(200);
    expect(imagesResponseSchema.parse(json)).toEqual(json);
    expect(json).toEqual({
      created: expect.any(Number),
      data: Array.from({ length: 3 }, () => ({ b64_json: PICTURE.toString('base64') })),
      output_format: 'png',
      quality: 'low',
      size: '1024x1024',
    });
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    expect(headers.get('x-darkroom-job-id')).toBe(id);
    expect(headers.get('x-darkroom-model')).toBe('gpt-image-2.6-flare');
    expect(headers.get('x-darkroom-cost-usd')).toBe('0');
    const others = ['x-darkroom-warning', 'x-darkroom-status', 'x-darkroom-joined', 'x-should-retry', 'sunset'];
    expect(others.map((name) => headers.get(name))).toEqual(others.map(() => null));
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])('is exact for images of any length: %i bytes more', async (more) => {
    const bytes = Buffer.alloc(70_000 + more, 'x');
    const { json, headers, text } = await exchange({ ...CAT, n: 2 }, (id) => completeJob(api.deps, id, bytes));
    expect(json.data.map((image: { b64_json: string }) => Buffer.from(image.b64_json, 'base64').equals(bytes))).toEqual(
      [true, true],
    );
    expect(headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
  });

  it('has links for a DALL·E model, with warnings and the day it ended', async () => {
    const body = { model: 'dall-e-3', prompt: 'a cat', n: 2, size: '1792x1024', quality: 'hd', style: 'vivid' };
    const { headers, json } = await exchange(body, complete);
    expect(imagesResponseSchema.parse(json)).toEqual(json);
    expect(json.data).toEqual([{ url: expect.stringMatching(/^http/) }, { url: expect.stringMatching(/^http/) }]);
    expect(headers.get('x-darkroom-model')).toBe('gpt-image-2.6-sunburst');
    expect(headers.get('x-darkroom-warning')).toMatch(/dall-e-3 was retired.*; .*style/);
    expect(headers.get('x-darkroom-warning')).toMatch(/^[\x20-\x7e]+$/);
    expect(headers.get('sunset')).toBe('Tue, 12 May 2026 00:00:00 GMT');
    const { pathname, search } = new globalThis.URL(json.data[0].url);
    expect((await api.ask(pathname + search)).text).toBe(PICTURE.toString());
  });

  it.each([
    ['url', 'gpt-image-2'],
    ['b64_json', 'dall-e-2'],
  ] as const)('has %s of %s when asked for', async (response_format, model) => {
    const { json } = await exchange({ model, prompt: 'a cat', response_format, size: '1024x1024' }, complete);
    expect(Object.keys(json.data[0])).toEqual([response_format]);
  });

  it('goes before other jobs unless told otherwise, and takes Darkroom’s own fields', async () => {
    const first = await exchange(CAT, complete);
    expect((await record(first.id)).spec.priority).toBe('high');
    const fields = { priority: 'low', metadata: { order: '42' }, expires_after: 60 };
    const second = await exchange({ ...CAT, ...fields }, complete);
    expect((await record(second.id)).spec).toMatchObject({
      priority: 'low',
      metadata: { order: '42' },
      expiresAfterSeconds: 60,
    });
  });

  it('has the images that came, in order, and says that some did not', async () => {
    const body = { model: 'dall-e-3', prompt: 'a cat', n: 3, response_format: 'b64_json' };
    const reply = await exchange(body, async (id) => {
      const job = await record(id);
      await completeCalls(api.deps, job, [2], Buffer.from('third'));
      await failCall(api.deps, job, 1);
      await completeCalls(api.deps, job, [0], Buffer.from('first'));
    });
    expect([reply.status, reply.headers.get('x-darkroom-status')]).toEqual([200, 'incomplete']);
    const images = reply.json.data.map(({ b64_json }: { b64_json: string }) =>
      Buffer.from(b64_json, 'base64').toString(),
    );
    expect(images).toEqual(['first', 'third']);
  });

  it('answers the upstream’s error when there are none, and that repeating is of no use', async () => {
    const reply = await exchange(CAT, (id) => failJob(api.deps, id));
    expect([reply.status, reply.json.error.code, shouldRetry(reply)]).toEqual([400, 'moderation_blocked', 'false']);
    expect(Object.keys(reply.json.error)).toEqual(['message', 'type', 'param', 'code']);
    expect(reply.headers.get('x-darkroom-job-id')).toBe(reply.id);
  });

  it('answers a job cancelled meanwhile as a conflict', async () => {
    const reply = await exchange(CAT, (id) => api.post(`/v1/jobs/${id}/cancel`));
    expect([reply.status, reply.json.error.code, shouldRetry(reply)]).toEqual([409, 'cancelled', 'false']);
  });

  it('answers an error before the first byte when an image is no longer in storage', async () => {
    const again = await api.post(
      URL,
      { ...CAT, prompt: 'gone' },
      { 'idempotency-key': 'gone', prefer: 'respond-async' },
    );
    made += 1;
    await completeJob(api.deps, again.json.id, PICTURE);
    await api.deps.store.delete(`images/shop/${again.json.id}/0.png`);
    const reply = await api.post(URL, { ...CAT, prompt: 'gone' }, { 'idempotency-key': 'gone' });
    expect([reply.status, reply.json.error.code, shouldRetry(reply)]).toEqual([502, 'result_lost', 'false']);
  });

  it.each<[string, object | string | undefined, Record<string, string>, number, string, string | null]>([
    ['no body', undefined, {}, 400, 'invalid_json', null],
    ['an unknown field', { ...CAT, promt: 'x' }, {}, 400, 'unknown_parameter', 'promt'],
    ['a wrong value', { ...CAT, quality: 'ultra' }, {}, 400, 'invalid_value', 'quality'],
    ['a dry run', { ...CAT, dry_run: true }, {}, 400, 'unsupported_parameter', 'dry_run'],
    ['a key that is none', CAT, { 'idempotency-key': 'a b' }, 400, 'invalid_value', 'Idempotency-Key'],
    ['a form', 'x', { 'content-type': 'multipart/form-data; boundary=x' }, 415, 'unsupported_media_type', null],
    ['a text', 'x', { 'content-type': 'text/plain' }, 415, 'unsupported_media_type', null],
  ])('refuses %s', async (_what, body, headers, status, code, param) => {
    const reply = await api.post(URL, body, headers);
    expect([reply.status, reply.json.error.code, reply.json.error.param]).toEqual([status, code, param]);
    expect(await api.deps.redis.zcard(api.deps.keys.accountJobs('shop'))).toBe(made);
  });

  it('refuses an unknown query parameter', async () => {
    expect((await api.post(`${URL}?async=true`, CAT)).json.error.code).toBe('unknown_parameter');
  });
});

describe('Prefer', () => {
  it('respond-async is answered with the job', async () => {
    const { status, headers, json } = await api.post(URL, CAT, { prefer: 'respond-async' });
    made += 1;
    expect([status, headers.get('preference-applied')]).toEqual([202, 'respond-async']);
    expect(jobSchema.parse(json)).toEqual(json);
    expect(headers.get('location')).toBe(`/v1/jobs/${json.id}`);
    expect(headers.get('x-darkroom-job-id')).toBe(json.id);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('respond-async is answered with the job even when that has ended', async () => {
    const headers = { prefer: 'respond-async', 'idempotency-key': 'ended-soon' };
    const first = await api.post(URL, CAT, headers);
    made += 1;
    await completeJob(api.deps, first.json.id, PICTURE);
    const again = await api.post(URL, CAT, headers);
    expect([again.status, again.json.id, again.json.status]).toEqual([202, first.json.id, 'completed']);
    expect([again.headers.get('preference-applied'), again.headers.get('retry-after')]).toEqual([
      'respond-async',
      null,
    ]);
  });

  it('wait is answered with the images when they come in time, else with the job', async () => {
    const soon = await exchange(CAT, complete, { prefer: 'wait=30' });
    expect([soon.status, soon.json.data.length]).toEqual([200, 1]);
    const late = await exchange(CAT, async () => undefined, { prefer: 'respond-async, wait=1' });
    expect([late.status, late.json.id]).toEqual([202, late.id]);
    expect(late.headers.get('preference-applied')).toBe('respond-async, wait=1');
  });
});

describe('Idempotency-Key', () => {
  it('gives the same job, waited for like the first', async () => {
    const key = { 'idempotency-key': 'sync-1' };
    const first = await exchange(CAT, complete, key);
    const again = await api.post(URL, { ...CAT, n: null }, key);
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 'true']);
    expect(again.headers.get('x-darkroom-job-id')).toBe(first.id);
    expect(again.json).toEqual(first.json);
    const other = await api.post(URL, { ...CAT, n: 2 }, key);
    expect([other.status, other.json.error.code]).toEqual([422, 'idempotency_key_reuse']);
  });

  it('is not the same for another route', async () => {
    const reply = await api.post('/v1/jobs', { operation: 'generation', input: CAT }, { 'idempotency-key': 'sync-1' });
    expect(reply.status).toBe(422);
  });
});
