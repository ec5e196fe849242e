import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { completeJob, newestJob } from '../testing/finish-job.ts';
import { startApi, type TestApi } from '../testing/start-api.ts';

const URL = '/v1/images/generations';
const CAT = { model: 'gpt-image-2.6-flare', prompt: 'a cat' };

let api: TestApi;
afterEach(() => api.close());

const jobsMade = () => api.deps.redis.zcard(api.deps.keys.accountJobs('shop'));

describe('a job that takes longer than SYNC_TIMEOUT_MS', () => {
  it('is told of with a 504, and the retry gets its images', async () => {
    api = await startApi({ SYNC_TIMEOUT_MS: '300' });
    const { status, headers, json } = await api.post(URL, CAT, { 'x-stainless-retry-count': '0' });
    const id = await newestJob(api.deps, 1);
    expect([status, json.error.code, headers.get('x-should-retry')]).toEqual([504, 'job_still_running', 'true']);
    expect(json.error.message).toContain(`GET /v1/jobs/${id}`);
    expect(headers.get('x-darkroom-job-id')).toBe(id);
    await completeJob(api.deps, id);
    const again = await api.post(URL, CAT, { 'x-stainless-retry-count': '1' });
    expect([again.status, again.headers.get('x-darkroom-joined'), await jobsMade()]).toEqual([200, 'true', 1]);
  });

  it('is given as the job to who preferred that', async () => {
    api = await startApi({ SYNC_TIMEOUT_MS: '300' });
    const { status, json } = await api.post(URL, CAT, { prefer: 'wait=60' });
    expect([status, json.id]).toEqual([202, await newestJob(api.deps, 1)]);
  });
});

describe('a process that stops', () => {
  it('sends those who wait away to ask again', async () => {
    api = await startApi();
    const waiting = [api.post(URL, CAT), api.post(URL, CAT, { prefer: 'wait=60' })];
    await newestJob(api.deps, 2);
    api.deps.stopping.abort();
    const [patient, other] = await Promise.all(waiting);
    expect([patient?.status, patient?.json.error.code]).toEqual([503, 'unavailable']);
    expect(patient?.headers.get('x-should-retry')).toBe('true');
    expect(patient?.json.error.message).toContain('GET /v1/jobs/job_');
    expect([other?.status, other?.json.object]).toEqual([202, 'job']);
  });
});

describe('a paused upstream key', () => {
  async function pause(error: object) {
    await api.deps.redis.hset(api.deps.keys.upstreamKey('default'), {
      paused: JSON.stringify(error),
      backoff: 30_000,
      probeAt: Date.now() + 30_000,
    });
  }
  const QUOTA = { status: 429, type: 'insufficient_quota', code: 'insufficient_quota', message: 'You exceeded …' };
  const KEY = { status: 401, type: 'invalid_request_error', code: 'invalid_api_key', message: 'Incorrect API key.' };

  it.each([
    [QUOTA, 429, 'insufficient_quota'],
    [KEY, 503, 'upstream_unauthorized'],
  ])('refuses those who would wait for images, and makes no job', async (error, status, code) => {
    api = await startApi();
    await pause(error);
    const reply = await api.post(URL, CAT);
    expect([reply.status, reply.json.error.code, reply.headers.get('x-should-retry')]).toEqual([status, code, 'false']);
    expect(await jobsMade()).toBe(0);
  });

  it('takes jobs from those who do not wait for images', async () => {
    api = await startApi();
    await pause(QUOTA);
    expect((await api.post(URL, CAT, { prefer: 'respond-async' })).status).toBe(202);
    expect((await api.post('/v1/jobs', { operation: 'generation', input: CAT })).status).toBe(202);
  });

  it('lets those go on who have a job already', async () => {
    api = await startApi({ SYNC_TIMEOUT_MS: '300' });
    const key = { 'idempotency-key': 'k' };
    expect((await api.post(URL, CAT, key)).status).toBe(504);
    expect((await api.post(URL, CAT)).status).toBe(504);
    await pause(QUOTA);
    const [replayed, joined] = [
      await api.post(URL, CAT, key),
      await api.post(URL, CAT, { 'x-stainless-retry-count': '1' }),
    ];
    expect([replayed.status, joined.status]).toEqual([504, 504]);
    expect(await jobsMade()).toBe(2);
  });
});

describe('Redis that goes away while a client waits', () => {
  it('is waited for', async () => {
    api = await startApi();
    const waiting = api.post(URL, CAT);
    const id = await newestJob(api.deps, 1);
    const back = once(api.deps.redis, 'ready');
    api.deps.redis.disconnect(true);
    await back;
    await completeJob(api.deps, id);
    expect((await waiting).status).toBe(200);
  });
});
