import { randomBytes } from 'node:crypto';
import { eventIdOf, newJobId } from '@darkroom/shared/base/ids.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { beginTry, createDelivery, finishTry, outboxDepth, RECEIVER_LIMITS } from '@darkroom/shared/webhooks/steps.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob } from '../testing/finish-job.ts';
import { GENERATION, type Json, OTHER_KEY, startApi, type TestApi } from '../testing/start-api.ts';

const SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const URL_OF_SHOP = 'https://example.com:8443/hooks';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ WEBHOOK_SECRETS: `shop:${SECRET}`, ALLOW_PRIVATE_URLS: '10.1.0.0/16' });
});
afterAll(() => api.close());

const submit = (webhook: unknown, key?: string) =>
  api.post('/v1/jobs', { ...GENERATION, webhook }, key === undefined ? {} : { authorization: `Bearer ${key}` });

interface Tried {
  readonly account?: string;
  readonly url?: string;
  readonly type?: string;
  readonly outcome?: 'delivered' | 'gone' | 'failed';
}

/** Makes a delivery the way a worker does, and tries it once when an outcome is given. */
async function deliver({ account = 'shop', url = URL_OF_SHOP, type = 'job.completed', outcome }: Tried = {}) {
  const { redis, keys } = api.deps;
  const steps = { redis, keys, limits: RECEIVER_LIMITS, retentionMs: 3_600_000 };
  const subject = newJobId();
  const made = {
    id: eventIdOf(subject, 2),
    type,
    subject,
    account,
    url,
    body: '{"secret":"body"}',
    createdAt: Date.now(),
  };
  const [item] = await createDelivery(steps, made, { host: 'none', line: 'none' });
  if (outcome !== undefined && item !== undefined) {
    await beginTry(steps, item);
    const row = { at: Date.now(), status: outcome === 'delivered' ? 204 : 410, error: null, ms: 12 };
    await finishTry(steps, item, row, { outcome, delayMs: 0, health: 'up' });
  }
  return { id: made.id, jobId: subject };
}

describe('a submit with a webhook', () => {
  it('is accepted and keeps it to itself', async () => {
    const { status, json, text } = await submit({ url: URL_OF_SHOP, events: ['job.failed'] });
    expect(status).toBe(202);
    expect(text).not.toContain('example.com');
    const record = await readJob(api.deps.redis, api.deps.keys, json.id);
    expect(record?.spec.webhook).toEqual({ url: URL_OF_SHOP, events: ['job.failed'] });
  });

  it('puts the events it names, and no others, into the outbox', async () => {
    const wanted = (await submit({ url: URL_OF_SHOP })).json.id;
    const unwanted = (await submit({ url: URL_OF_SHOP, events: ['job.failed'] })).json.id;
    const none = (await api.post('/v1/jobs', GENERATION)).json.id;
    for (const id of [wanted, unwanted, none]) await completeJob(api.deps, id);
    const lines = await api.deps.redis.zrange(api.deps.keys.outboxOf('example.com:8443'), '0', '-1');
    expect(lines.filter((line) => [wanted, unwanted, none].some((id) => line.includes(id)))).toEqual([
      `job.completed ${wanted} 1 2 -`,
    ]);
  });

  it.each([
    ['http://127.0.0.1/', 'webhook.url'],
    ['http://localhost:3000/', 'webhook.url'],
    ['http://169.254.169.254/', 'webhook.url'],
    ['http://10.0.0.1/', 'webhook.url'],
    ['ftp://example.com/', 'webhook.url'],
  ])('to %s is refused', async (url, param) => {
    const { status, json } = await submit({ url });
    expect([status, json.error.code, json.error.param]).toEqual([400, 'invalid_value', param]);
  });

  it('to a private address is accepted where the operator allows it', async () => {
    expect((await submit({ url: 'http://10.1.2.3/' })).status).toBe(202);
  });

  it('of an account without a secret is refused, naming the variable', async () => {
    const { status, json } = await submit({ url: URL_OF_SHOP }, OTHER_KEY);
    expect([status, json.error.code, json.error.param]).toEqual([400, 'invalid_value', 'webhook']);
    expect(json.error.message).toContain('WEBHOOK_SECRETS');
  });

  it('names the nearest event', async () => {
    const { json } = await submit({ url: URL_OF_SHOP, events: ['job.complete'] });
    expect(json.error).toMatchObject({ code: 'invalid_value', param: 'webhook.events[0]' });
    expect(json.error.message).toContain("Did you mean 'job.completed'?");
  });
});

describe('GET /v1/webhook_deliveries', () => {
  const list = async (query = '', key?: string): Promise<Json> =>
    (
      await api.ask(
        `/v1/webhook_deliveries?${query}`,
        key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } },
      )
    ).json;

  it('shows what was sent to whom, with every try, and never the body', async () => {
    const { id, jobId } = await deliver({ outcome: 'delivered' });
    const { text, json } = await api.ask(`/v1/webhook_deliveries?job_id=${jobId}`);
    expect(json).toEqual({
      object: 'list',
      data: [
        {
          id,
          object: 'webhook_delivery',
          type: 'job.completed',
          job_id: jobId,
          batch_id: null,
          url: URL_OF_SHOP,
          host: 'example.com:8443',
          state: 'delivered',
          created_at: expect.any(Number),
          next_attempt_at: null,
          attempt_count: 1,
          attempts: [{ at: expect.any(Number), status: 204, error: null, duration_ms: 12 }],
        },
      ],
      first_id: id,
      last_id: id,
      has_more: false,
    });
    expect(text).not.toContain('secret');
  });

  it('filters by state, type and host, and pages', async () => {
    const url = 'https://pages.example/';
    const made = [];
    for (const outcome of ['gone', 'failed', 'delivered', undefined] as const) {
      made.push((await deliver({ url, ...(outcome === undefined ? {} : { outcome }) })).id);
    }
    made.push((await deliver({ url, type: 'job.failed' })).id);
    const ids = async (query: string) => (await list(`host=pages.example&${query}`)).data.map(({ id }: Json) => id);
    const all = await ids('order=asc');
    expect(new Set(all)).toEqual(new Set(made));
    expect(await ids('')).toEqual(all.toReversed());
    expect(await ids('state=gone')).toEqual([made[0]]);
    expect(await ids('state=failed')).toEqual([made[1]]);
    expect(new Set(await ids('state=pending'))).toEqual(new Set(made.slice(3)));
    expect(await ids('type=job.failed')).toEqual([made[4]]);
    const page = await list('host=PAGES.example&order=asc&limit=2');
    expect([page.has_more, page.last_id]).toEqual([true, all[1]]);
    expect(await ids(`order=asc&after=${page.last_id}`)).toEqual(all.slice(2));
  });

  it('shows an account its own alone', async () => {
    const { id, jobId } = await deliver();
    expect((await list(`job_id=${jobId}`, OTHER_KEY)).data).toEqual([]);
    const { error } = await list(`after=${id}`, OTHER_KEY);
    expect(error).toMatchObject({ code: 'invalid_value', param: 'after' });
  });

  it('names every bad parameter', async () => {
    const { error } = await list('state=done&type=x.y&limit=0&order=up&after=1&job_id=2&host=');
    expect(error.details.map(({ param }: Json) => param)).toEqual([
      'limit',
      'order',
      'after',
      'state',
      'type',
      'job_id',
      'host',
    ]);
    expect((await list('stat=gone')).error.message).toContain("Did you mean 'state'?");
  });
});

describe('POST /v1/webhook_deliveries/{id}/redeliver', () => {
  it('starts the schedule of any delivery anew', async () => {
    const { id } = await deliver({ outcome: 'gone', url: 'https://again.example/' });
    const { status, json } = await api.post(`/v1/webhook_deliveries/${id}/redeliver`);
    expect([status, json]).toMatchObject([202, { id, state: 'pending', next_attempt_at: expect.any(Number) }]);
    expect(await api.deps.redis.zscore(api.deps.keys.receivers, 'again.example')).not.toBeNull();
  });

  it.each(['evt_01kb4xwqf7c0v3m8r5y2d9tz6n_2', 'evt_', 'x', '%2e%2e'])('knows no %s', async (id) => {
    const { status, json } = await api.post(`/v1/webhook_deliveries/${id}/redeliver`);
    expect([status, json.error.code]).toEqual([404, 'not_found']);
  });

  it('is refused to other accounts, and takes nothing', async () => {
    const { id } = await deliver();
    const other = await api.post(`/v1/webhook_deliveries/${id}/redeliver`, undefined, {
      authorization: `Bearer ${OTHER_KEY}`,
    });
    expect(other.status).toBe(404);
    expect((await api.post(`/v1/webhook_deliveries/${id}/redeliver`, { now: true })).json.error.code).toBe(
      'unknown_parameter',
    );
  });
});

describe('metrics', () => {
  it('tell how many events wait to be announced', async () => {
    const depth = await outboxDepth(api.deps.redis, api.deps.keys);
    expect(depth).toBeGreaterThan(0);
    expect(await api.deps.metrics.registry.metrics()).toContain(`darkroom_webhook_outbox_depth_events ${depth}`);
  });
});
