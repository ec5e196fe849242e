import { readJob } from '@darkroom/shared/jobs/store.ts';
import { attemptListSchema, jobSchema } from '@darkroom/shared/requests/schemas.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob, failJob } from '../testing/finish-job.ts';
import { GENERATION, OTHER_KEY, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const LANE = 'gpt-image-2.6-flare';
const OTHER = { authorization: `Bearer ${OTHER_KEY}` };
const MISSING = 'job_01kb4xwqf7c0v3m8r5y2d9tz6n';

async function submit(): Promise<string> {
  return (await api.post('/v1/jobs', GENERATION)).json.id;
}

describe('POST /v1/jobs/{id}/cancel', () => {
  it('withholds what is not sent, takes it out of the queue, and may be repeated', async () => {
    const id = await submit();
    const before = await api.deps.queues.depth(LANE);
    const { status, json } = await api.post(`/v1/jobs/${id}/cancel`);
    expect(status).toBe(200);
    expect(jobSchema.parse(json)).toEqual(json);
    expect(json).toMatchObject({
      status: 'cancelled',
      progress: { images_withheld: 1 },
      error: { code: 'cancelled' },
      cancel_requested_at: expect.any(Number),
    });
    expect(await api.deps.queues.depth(LANE)).toBe(before - 1);
    expect((await api.post(`/v1/jobs/${id}/cancel`)).json).toEqual(json);
  });

  it('leaves an ended job as it is', async () => {
    const id = await submit();
    await completeJob(api.deps, id);
    const { status, json } = await api.post(`/v1/jobs/${id}/cancel`, {});
    expect([status, json.status, json.cancel_requested_at]).toEqual([200, 'completed', null]);
  });

  it('wakes those who wait for the job', async () => {
    const id = await submit();
    const waiting = api.ask(`/v1/jobs/${id}?wait=60`);
    await api.post(`/v1/jobs/${id}/cancel`);
    expect((await waiting).json.status).toBe('cancelled');
  });
});

describe('POST /v1/jobs/{id}/retry', () => {
  it('runs a failed job again and queues its calls', async () => {
    const id = await submit();
    await failJob(api.deps, id);
    const before = await api.deps.queues.depth(LANE);
    const { status, headers, json } = await api.post(`/v1/jobs/${id}/retry`);
    expect([status, headers.get('location'), json.status, json.run]).toEqual([202, `/v1/jobs/${id}`, 'queued', 2]);
    expect([json.finished_at, json.errors]).toEqual([null, []]);
    expect(await api.deps.queues.depth(LANE)).toBe(before + 1);
    await completeJob(api.deps, id);
    expect((await api.ask(`/v1/jobs/${id}`)).json.status).toBe('completed');
  });

  it('runs a cancelled job again', async () => {
    const id = await submit();
    await api.post(`/v1/jobs/${id}/cancel`);
    const { json } = await api.post(`/v1/jobs/${id}/retry`);
    expect([json.status, json.cancel_requested_at]).toEqual(['queued', null]);
  });

  it('refuses a job that has not ended, and has the SDK ask no more', async () => {
    const { status, headers, json } = await api.post(`/v1/jobs/${await submit()}/retry`);
    expect([status, json.error.code, headers.get('x-should-retry')]).toEqual([409, 'job_not_ended', 'false']);
  });

  it('opens no second run for a client’s own retry, nor for the same Idempotency-Key', async () => {
    const id = await submit();
    await failJob(api.deps, id);
    const retry = (headers: Record<string, string>) => api.ask(`/v1/jobs/${id}/retry`, { method: 'POST', headers });
    expect((await retry({ 'x-stainless-retry-count': '0' })).json.run).toBe(2);
    await failJob(api.deps, id); // before the client has heard of it
    const joined = await retry({ 'x-stainless-retry-count': '1' });
    expect([joined.status, joined.json.run, joined.headers.get('x-darkroom-joined')]).toEqual([202, 2, 'true']);
    const key = { 'idempotency-key': `retry-${id}` };
    expect((await retry(key)).json.run).toBe(3);
    await failJob(api.deps, id);
    const replayed = await retry(key);
    expect([replayed.json.run, replayed.headers.get('idempotent-replayed')]).toEqual([3, 'true']);
  });

  it('refuses a job that has all its images', async () => {
    const id = await submit();
    await completeJob(api.deps, id);
    const { status, json } = await api.post(`/v1/jobs/${id}/retry`);
    expect([status, json.error.code]).toEqual([409, 'nothing_to_retry']);
  });

  it('makes one run of concurrent retries', async () => {
    const id = await submit();
    await failJob(api.deps, id);
    const answers = await Promise.all(Array.from({ length: 8 }, () => api.post(`/v1/jobs/${id}/retry`)));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(answers.filter(({ json }) => json.error?.code === 'job_not_ended')).toHaveLength(7);
    expect((await readJob(api.deps.redis, api.deps.keys, id))?.run).toBe(2);
  });
});

describe('GET /v1/jobs/{id}/attempts', () => {
  it('lists none before the first request is sent', async () => {
    const { status, json } = await api.ask(`/v1/jobs/${await submit()}/attempts`);
    expect([status, json]).toEqual([200, { object: 'list', data: [], has_more: false }]);
  });

  it('lists every attempt in OpenAI list shape', async () => {
    const id = await submit();
    const row = {
      at: 1_795_340_335_000,
      outcome: null,
      run: 1,
      upstreamKey: 'default',
      images: [0],
      upperBoundMicroUsd: 5_000,
    };
    await api.deps.redis.hset(api.deps.keys.job(id), 'attempt:0.1', JSON.stringify(row));
    const { json } = await api.ask(`/v1/jobs/${id}/attempts`);
    attemptListSchema.parse(json);
    expect(json.data).toEqual([
      expect.objectContaining({ object: 'attempt', call: 0, attempt: 1, outcome: null, started_at: 1_795_340_335 }),
    ]);
  });
});

describe.each([
  ['POST', 'cancel'],
  ['POST', 'retry'],
  ['GET', 'attempts'],
])('%s …/%s', (method, action) => {
  it("does not know missing jobs, nor another account's", async () => {
    const id = await submit();
    for (const [job, headers] of [
      [MISSING, {}],
      ['nonsense', {}],
      [id, OTHER],
    ] as const) {
      const { status, json } = await api.ask(`/v1/jobs/${job}/${action}`, { method, headers });
      expect([status, json.error.code, json.error.message]).toEqual([
        404,
        'not_found',
        `No job found with id '${job}'.`,
      ]);
    }
    expect((await api.ask(`/v1/jobs/${id}`)).json.status).toBe('queued');
  });

  it('refuses query parameters', async () => {
    const { status, json } = await api.ask(`/v1/jobs/${await submit()}/${action}?force=1`, { method });
    expect([status, json.error.param]).toEqual([400, 'force']);
  });
});

describe.each(['cancel', 'retry'])('the body of POST …/%s', (action) => {
  it.each<[unknown, string]>([
    [{ reason: 'x' }, 'unknown_parameter'],
    [[], 'invalid_type'],
    ['"x"', 'invalid_type'],
  ])('%j is refused', async (body, code) => {
    const { status, json } = await api.post(`/v1/jobs/${await submit()}/${action}`, body);
    expect([status, json.error.code]).toEqual([400, code]);
  });
});
