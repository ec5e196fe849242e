import { dryRunSchema, jobSchema } from '@darkroom/shared/requests/schemas.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob, failJob, newestJob } from '../testing/finish-job.ts';
import { GENERATION, OTHER_KEY, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const depth = () => api.deps.queues.depth('gpt-image-2.6-flare');
const withInput = (input: object) => ({ ...GENERATION, input: { ...GENERATION.input, ...input } });

async function submit(body: unknown = GENERATION, headers: Record<string, string> = {}): Promise<string> {
  const { json } = await api.post('/v1/jobs', body, headers);
  return json.id;
}

describe('POST /v1/jobs', () => {
  it('records the job, queues its calls and answers 202 with where to look', async () => {
    const before = await depth();
    const { status, headers, json } = await api.post('/v1/jobs', withInput({ n: 10 }));
    expect(status).toBe(202);
    expect(jobSchema.parse(json)).toEqual(json);
    expect(json).toMatchObject({ status: 'queued', progress: { images_requested: 10 }, input: { n: 10 } });
    expect(headers.get('location')).toBe(`/v1/jobs/${json.id}`);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await depth()).toBe(before + 1);
    expect((await api.ask(headers.get('location') ?? '')).json).toEqual(json);
  });

  it('cuts a retired dall-e-3 into one call per image and says what it became', async () => {
    const { json } = await api.post('/v1/jobs', withInput({ model: 'dall-e-3', n: 3, quality: 'hd' }));
    expect(json.requested_model).toBe('dall-e-3');
    expect(json.model).not.toBe('dall-e-3');
    expect(json.warnings.length).toBeGreaterThan(0);
  });

  it('waits for the end with Prefer: wait', async () => {
    const before = await api.deps.redis.zcard(api.deps.keys.accountJobs('shop'));
    const waiting = api.post('/v1/jobs', GENERATION, { prefer: 'wait=30', 'idempotency-key': 'wait-1' });
    const id = await newestJob(api.deps, before + 1);
    await completeJob(api.deps, id);
    const { status, headers, json } = await waiting;
    expect({ status, id: json.id, state: json.status }).toEqual({ status: 200, id, state: 'completed' });
    expect(headers.get('preference-applied')).toBe('wait=30');
  });

  it('answers 200 also for a job that failed, and 202 when the wait is over first', async () => {
    const first = await api.post('/v1/jobs', GENERATION, { prefer: 'wait=1', 'idempotency-key': 'wait-2' });
    expect([first.status, first.json.status]).toEqual([202, 'queued']);
    await failJob(api.deps, first.json.id);
    const again = await api.post('/v1/jobs', GENERATION, { prefer: 'wait=1', 'idempotency-key': 'wait-2' });
    expect([again.status, again.json.status, again.json.error.code]).toEqual([200, 'failed', 'moderation_blocked']);
  });

  it('follows respond-async and ignores preferences it does not know', async () => {
    const { status, headers } = await api.post('/v1/jobs', GENERATION, { prefer: 'respond-async, return=minimal' });
    expect([status, headers.get('preference-applied')]).toEqual([202, 'respond-async']);
  });

  it('answers a dry run with the plan and queues nothing', async () => {
    const before = [await depth(), await api.deps.redis.zcard(api.deps.keys.accountJobs('shop'))];
    const { status, json } = await api.post('/v1/jobs', {
      ...withInput({ model: 'dall-e-3', n: 2, quality: 'hd' }),
      dry_run: true,
    });
    expect(status).toBe(200);
    expect(dryRunSchema.parse(json)).toEqual(json);
    expect(json.calls).toEqual([
      { index: 0, images: [0] },
      { index: 1, images: [1] },
    ]);
    expect(json.body.n).toBeUndefined();
    expect(json.max_cost_usd).toBeGreaterThanOrEqual(json.estimated_cost_usd);
    expect([await depth(), await api.deps.redis.zcard(api.deps.keys.accountJobs('shop'))]).toEqual(before);
  });
});

describe('Idempotency-Key', () => {
  it('gives the same job for the same key and meaning, and says so', async () => {
    const key = { 'idempotency-key': 'order-1' };
    const first = await api.post('/v1/jobs', { ...GENERATION, metadata: null }, key);
    const again = await api.post('/v1/jobs', GENERATION, key);
    expect([first.status, first.headers.get('idempotent-replayed')]).toEqual([202, null]);
    expect([again.status, again.headers.get('idempotent-replayed'), again.json.id]).toEqual([
      202,
      'true',
      first.json.id,
    ]);
    await completeJob(api.deps, first.json.id);
    const ended = await api.post('/v1/jobs', GENERATION, { ...key, prefer: 'wait=5' });
    expect([ended.status, ended.json.status, ended.json.id]).toEqual([200, 'completed', first.json.id]);
  });

  it('makes one job of concurrent duplicates', async () => {
    const key = { 'idempotency-key': 'order-2' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => api.post('/v1/jobs', GENERATION, key)));
    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
  });

  it('refuses another body under a used key', async () => {
    const key = { 'idempotency-key': 'order-3' };
    await api.post('/v1/jobs', GENERATION, key);
    const { status, json } = await api.post('/v1/jobs', withInput({ prompt: 'a dog' }), key);
    expect([status, json.error.code]).toEqual([422, 'idempotency_key_reuse']);
  });

  it('is not used up by a refused request or a dry run, and belongs to its account', async () => {
    const key = { 'idempotency-key': 'order-4' };
    expect((await api.post('/v1/jobs', withInput({ n: 11 }), key)).status).toBe(400);
    expect((await api.post('/v1/jobs', { ...withInput({ n: 2 }), dry_run: true }, key)).status).toBe(200);
    const mine = await api.post('/v1/jobs', GENERATION, key);
    const theirs = await api.post('/v1/jobs', withInput({ prompt: 'a dog' }), {
      ...key,
      authorization: `Bearer ${OTHER_KEY}`,
    });
    expect([mine.status, theirs.status]).toEqual([202, 202]);
    expect(theirs.headers.get('idempotent-replayed')).toBeNull();
  });

  it.each(['', 'a b', 'x'.repeat(256)])('refuses the key %j', async (key) => {
    const { status, json } = await api.post('/v1/jobs', GENERATION, { 'idempotency-key': key });
    expect([status, json.error.param]).toEqual([400, 'Idempotency-Key']);
  });
});

describe('a refused submission', () => {
  it.each<[string, unknown, string, string | null]>([
    ['no fields', {}, 'missing_required_parameter', 'operation'],
    ['an array', [], 'invalid_type', null],
    ['a text', '"x"', 'invalid_type', null],
    ['null', 'null', 'invalid_type', null],
    ['half a JSON', '{"operation":', 'invalid_json', null],
    ['an unknown field', { ...GENERATION, inputs: {} }, 'unknown_parameter', 'inputs'],
    ['an unknown input field', withInput({ promt: 'x' }), 'unknown_parameter', 'input.promt'],
    ['n as a text', withInput({ n: '4' }), 'invalid_type', 'input.n'],
    ['too many images', withInput({ n: 11 }), 'integer_above_max_value', 'input.n'],
    ['an unknown model', withInput({ model: 'gpt-image-9' }), 'model_not_found', 'input.model'],
    ['an edit', { operation: 'edit', input: { prompt: 'x' } }, 'missing_required_parameter', 'input.images'],
    ['a variation', { operation: 'variation', input: {} }, 'missing_required_parameter', 'input.images'],
    [
      'a webhook nobody can sign',
      { ...GENERATION, webhook: { url: 'https://example.com' } },
      'invalid_value',
      'webhook',
    ],
  ])('names the problem of %s', async (_what, body, code, param) => {
    const { status, json } = await api.post('/v1/jobs', body);
    expect([status, json.error.code, json.error.param]).toEqual([400, code, param]);
    expect(Object.keys(json.error).filter((name) => name !== 'details')).toEqual(['message', 'type', 'param', 'code']);
  });

  it('lists all problems, the first of them as the error', async () => {
    const { json } = await api.post('/v1/jobs', { ...withInput({ n: 11, size: '1x1' }), priority: 'urgent', x: 1 });
    expect(json.error.details.map((problem: { param: string }) => problem.param).sort()).toEqual([
      'input.n',
      'input.size',
      'priority',
      'x',
    ]);
    const { details, ...first } = json.error;
    expect(first).toEqual(details[0]);
  });

  it('leaves nothing behind', async () => {
    // Not how many: those of earlier tests end by themselves.
    const { redis, prefix } = api.redis;
    const keys = () => redis.keys(`*{${prefix}}*`);
    const before = await keys();
    expect(before.length).toBeGreaterThan(0);
    await api.post('/v1/jobs', withInput({ n: 11 }), { 'idempotency-key': 'refused' });
    expect((await keys()).filter((key) => !before.includes(key))).toEqual([]);
  });

  it('refuses query parameters', async () => {
    expect((await api.post('/v1/jobs?wait=5', GENERATION)).json.error).toMatchObject({
      code: 'unknown_parameter',
      param: 'wait',
    });
  });
});

describe('GET /v1/jobs/{id}', () => {
  it.each(['0', '601', '1.5', 'x', ''])('refuses wait=%s', async (wait) => {
    const { status, json } = await api.ask(`/v1/jobs/${await submit()}?wait=${wait}`);
    expect([status, json.error.code, json.error.param]).toEqual([400, 'invalid_value', 'wait']);
  });

  it('refuses unknown parameters by name with the nearest one', async () => {
    const { json } = await api.ask(`/v1/jobs/${await submit()}?waits=5`);
    expect(json.error).toMatchObject({
      code: 'unknown_parameter',
      message: "Unknown query parameter: 'waits'. Did you mean 'wait'?",
    });
  });

  it('answers many waiting callers as soon as the job ends', async () => {
    const id = await submit();
    const waiting = Array.from({ length: 25 }, () => api.ask(`/v1/jobs/${id}?wait=60`));
    await completeJob(api.deps, id);
    for (const { json } of await Promise.all(waiting)) expect(json.status).toBe('completed');
  });

  it('answers the state as it is when the wait is over', async () => {
    expect((await api.ask(`/v1/jobs/${await submit()}?wait=1`)).json.status).toBe('queued');
  });

  it.each(['job_01kb4xwqf7c0v3m8r5y2d9tz6n', 'job_x', 'x', '%2e%2e', 'job_01kb4xwqf7c0v3m8r5y2d9tz6n%00'])(
    'does not know %s',
    async (id) => {
      const { status, json } = await api.ask(`/v1/jobs/${id}`);
      expect([status, json.error.code]).toEqual([404, 'not_found']);
    },
  );

  it("shows another account's job exactly as a missing one", async () => {
    const id = await submit();
    const other = { headers: { authorization: `Bearer ${OTHER_KEY}` } };
    const theirs = await api.ask(`/v1/jobs/${id}`, other);
    const missing = await api.ask('/v1/jobs/job_01kb4xwqf7c0v3m8r5y2d9tz6n', other);
    expect(theirs.status).toBe(404);
    expect(theirs.text.replace(id, 'ID')).toBe(missing.text.replace('job_01kb4xwqf7c0v3m8r5y2d9tz6n', 'ID'));
  });
});
