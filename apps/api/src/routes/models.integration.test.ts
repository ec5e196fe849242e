import { MODELS } from '@darkroom/shared/models/rules.ts';
import { modelListSchema } from '@darkroom/shared/requests/schemas.ts';
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError, UnprocessableEntityError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob } from '../testing/finish-job.ts';
import { GENERATION, type Json, SHOP_KEY, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
let client: OpenAI;
beforeAll(async () => {
  api = await startApi();
  client = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: SHOP_KEY, maxRetries: 0 });
});
afterAll(() => api.close());

describe('the openai SDK', () => {
  it('lists the models', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual(MODELS.map(({ id }) => id));
  });

  it('retrieves a model', async () => {
    expect(await client.models.retrieve('gpt-image-2.6-flare')).toMatchObject({
      id: 'gpt-image-2.6-flare',
      object: 'model',
      owned_by: 'openai',
    });
  });

  it('understands a missing model', async () => {
    const error = await client.models.retrieve('gpt-image-9').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
      requestID: expect.stringMatching(/^req_/),
    });
  });

  it('submits a job, polls it, reads its image', async () => {
    const job: Json = await client.post('/jobs', { body: GENERATION });
    await completeJob(api.deps, job.id, Buffer.from('bytes'));
    const done: Json = await client.get(`/jobs/${job.id}`, { query: { wait: 10 } });
    expect(done.status).toBe('completed');
    const content: Response = await client.get(`/images/${done.images[0].id}/content`, { __binaryResponse: true });
    expect(await content.text()).toBe('bytes');
  });

  it.each<[string, (sdk: OpenAI) => Promise<unknown>, unknown]>([
    ['400', (sdk) => sdk.post('/jobs', { body: { operation: 'edit', input: {} } }), BadRequestError],
    ['401', (sdk) => sdk.withOptions({ apiKey: 'dk_wrong_0123456789' }).get('/jobs'), AuthenticationError],
    ['404', (sdk) => sdk.get('/jobs/job_x'), NotFoundError],
    [
      '422',
      async (sdk) => {
        const headers = { 'idempotency-key': 'sdk' };
        await sdk.post('/jobs', { body: GENERATION, headers });
        return sdk.post('/jobs', { body: { ...GENERATION, priority: 'low' }, headers });
      },
      UnprocessableEntityError,
    ],
  ])('turns a %s into its own error class', async (status, act, errorClass) => {
    const error = await act(client).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(errorClass);
    expect(error).toMatchObject({ status: Number(status), type: 'invalid_request_error', code: expect.any(String) });
  });
});

describe('GET /v1/models', () => {
  it('shows the rules of every model', async () => {
    const { json } = await api.ask('/v1/models');
    expect(modelListSchema.parse(json)).toEqual(json);
  });

  it('learns within seconds that the upstream has retired a deprecated model', async () => {
    const model = 'gpt-image-2.5-sunburst';
    const later = new Date(Date.now() + 90 * 86_400_000).toISOString().slice(0, 10);
    const { redis, keys } = api.deps;
    await redis.hset(keys.shutdownDates, model, later);
    const status = async () => (await api.ask(`/v1/models/${model}`)).json.status;
    await expect.poll(status, { timeout: 15_000 }).toBe('deprecated');
    await redis.sadd(keys.retiredModels, model);
    await expect.poll(status, { timeout: 15_000 }).toBe('retired');
  });

  it('shows a shutdown day the upstream told within seconds, and says it to those who submit', async () => {
    const soon = new Date(Date.now() + 20 * 86_400_000).toISOString().slice(0, 10);
    const input = { ...GENERATION.input, model: 'gpt-image-2' };
    const before = await api.post('/v1/jobs', { ...GENERATION, input });
    expect([before.json.warnings, before.headers.get('sunset')]).toEqual([[], null]);
    await api.deps.redis.hset(api.deps.keys.shutdownDates, 'gpt-image-2', soon);
    const shown = async () => (await api.ask('/v1/models/gpt-image-2')).json;
    await expect
      .poll(shown, { timeout: 15_000 })
      .toMatchObject({ status: 'deprecated', shutdown_date: soon, replacement: null });
    const after = await api.post('/v1/jobs', { ...GENERATION, input });
    expect(after.json.warnings).toEqual([`gpt-image-2 shuts down on ${soon}`]);
    expect(after.headers.get('sunset')).toBe(new Date(soon).toUTCString());
    expect(after.headers.get('deprecation')).toBeNull();
  });

  it('translates from the day the upstream told, and refuses where there is no replacement', async () => {
    const today = new Date().toISOString().slice(0, 10);
    const days = { 'chatgpt-image-latest': today, 'gpt-image-2.5-flare': today };
    await api.deps.redis.hset(api.deps.keys.shutdownDates, days);
    const shown = async () => (await api.ask('/v1/models/gpt-image-2.5-flare')).json;
    await expect.poll(shown, { timeout: 15_000 }).toMatchObject({ status: 'retired', shutdown_date: today });
    const submit = (model: string) => api.post('/v1/jobs', { ...GENERATION, input: { ...GENERATION.input, model } });
    const translated = await submit('chatgpt-image-latest');
    expect(translated.json).toMatchObject({
      model: 'gpt-image-2.6-sunburst',
      requested_model: 'chatgpt-image-latest',
      warnings: [`model chatgpt-image-latest was retired on ${today} and was translated to gpt-image-2.6-sunburst`],
    });
    expect(translated.headers.get('sunset')).toBe(new Date(today).toUTCString());
    const refused = await submit('gpt-image-2.5-flare');
    expect([refused.status, refused.json.error.code]).toEqual([400, 'model_retired']);
  });

  it.each(['/v1/models?limit=1', '/v1/models/dall-e-3?x=1'])('refuses parameters: %s', async (path) => {
    expect((await api.ask(path)).status).toBe(400);
  });
});
