import { jobListSchema } from '@darkroom/shared/requests/schemas.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob, failJob } from '../testing/finish-job.ts';
import { GENERATION, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  for (let k = 0; k < 24; k += 1) {
    const model = k % 5 === 0 ? 'dall-e-3' : 'gpt-image-2.6-flare';
    const { json } = await api.post('/v1/jobs', { operation: 'generation', input: { model, prompt: `cat ${k}` } });
    if (k % 3 === 0) await completeJob(api.deps, json.id);
    if (k % 7 === 1) await failJob(api.deps, json.id);
  }
});
afterAll(() => api.close());

describe('GET /v1/jobs', () => {
  it('pages through all jobs of the account, newest first', async () => {
    const ids: string[] = [];
    let after = '';
    for (let hasMore = true; hasMore; ) {
      const { json } = await api.ask(`/v1/jobs?limit=7${after}`);
      expect(jobListSchema.parse(json)).toEqual(json);
      ids.push(...json.data.map((job: { id: string }) => job.id));
      after = `&after=${json.last_id}`;
      hasMore = json.has_more;
    }
    const all = await api.deps.redis.zrevrange(api.deps.keys.accountJobs('shop'), 0, -1);
    expect(ids).toEqual(all);
    const upwards = (await api.ask('/v1/jobs?limit=100&order=asc')).json.data.map((job: { id: string }) => job.id);
    expect(upwards).toEqual(all.toReversed().slice(0, 100));
  });

  it.each<[string, (job: Record<string, string>) => boolean]>([
    ['status=completed', (job) => job['status'] === 'completed'],
    ['operation=generation&status=failed', (job) => job['status'] === 'failed'],
    ['model=dall-e-3', (job) => job['requested_model'] === 'dall-e-3'],
  ])('filters by %s', async (query, fits) => {
    const { data } = (await api.ask(`/v1/jobs?limit=100&${query}`)).json;
    expect(data.length).toBeGreaterThan(0);
    expect(data.every(fits)).toBe(true);
  });

  it('filters by metadata and by time, both bounds outside', async () => {
    const { json: job } = await api.post('/v1/jobs', { ...GENERATION, metadata: { order: '42 & more', 'a[b]': 'x' } });
    const found = async (query: string) =>
      (await api.ask(`/v1/jobs?${query}`)).json.data.map(({ id }: { id: string }) => id);
    const order = `metadata[order]=${encodeURIComponent('42 & more')}`;
    expect(await found(order)).toEqual([job.id]);
    expect(await found(`${order}&metadata[a[b]]=x`)).toEqual([job.id]);
    expect(await found(`${order}&metadata[other]=x`)).toEqual([]);
    expect(await found(`${order}&created_after=${job.created_at - 1}&created_before=${job.created_at + 1}`)).toEqual([
      job.id,
    ]);
    expect(await found(`${order}&created_after=${job.created_at}`)).toEqual([]);
    expect(await found(`${order}&created_before=${job.created_at}`)).toEqual([]);
  });

  it('leaves out a job whose record cannot be read, goes on behind it, and logs key and field', async () => {
    const [, damaged = '', next] = await api.deps.redis.zrevrange(api.deps.keys.accountJobs('shop'), 0, 2);
    const key = api.deps.keys.job(damaged);
    const spec = (await api.deps.redis.hget(key, 'spec')) ?? '';
    await api.deps.redis.hset(key, 'spec', '{"broken');
    const { status, json } = await api.ask('/v1/jobs?limit=2');
    await api.deps.redis.hset(key, 'spec', spec);
    expect([status, json.data[1].id, json.has_more]).toEqual([200, next, true]);
    const line = api.lines.find((text) => text.includes(`job:${damaged} spec is not an object in JSON`));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ level: 'error' });
  });

  it('is empty for an account without jobs', async () => {
    const { json } = await api.ask('/v1/jobs?batch_id=none');
    expect(json).toEqual({ object: 'list', data: [], first_id: null, last_id: null, has_more: false });
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=', 'limit'],
    ['order=up', 'order'],
    ['status=done', 'status'],
    ['operation=paint', 'operation'],
    ['model=', 'model'],
    ['after=job_x', 'after'],
    ['after=job_01kb4xwqf7c0v3m8r5y2d9tz6n', 'after'],
    ['created_after=2026-01-01', 'created_after'],
    ['created_before=-1', 'created_before'],
    ['limit=1&limit=2', 'limit'],
    ['metadata=x', 'metadata'],
    ['metadata[]=x', 'metadata[]'],
    ['metadata[a]=1&metadata[a]=2', 'metadata[a]'],
    ['page=2', 'page'],
  ])('refuses %s', async (query, param) => {
    const { status, json } = await api.ask(`/v1/jobs?${query}`);
    expect([status, json.error.param]).toEqual([400, param]);
  });

  it('names every bad value', async () => {
    const { json } = await api.ask('/v1/jobs?limit=0&order=x&status=y');
    expect(json.error.details.map((problem: { param: string }) => problem.param).sort()).toEqual([
      'limit',
      'order',
      'status',
    ]);
  });
});
