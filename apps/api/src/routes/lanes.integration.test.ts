import { LANES } from '@darkroom/shared/models/rules.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GENERATION, SHOP_KEY, startApi, type TestApi, toAnswer } from '../testing/start-api.ts';

const ADMIN_KEY = 'admin-0123456789abcdef';
const LANE = 'gpt-image-2';
const OTHER_LANE = 'gpt-image-2.6-flare';

type Send = (method: string, path: string, body?: string) => Promise<Awaited<ReturnType<typeof toAnswer>>>;

function sender(api: TestApi, key: string | null): Send {
  return async (method, path, body) => {
    const headers = new Headers(body === undefined ? {} : { 'content-type': 'application/json' });
    if (key !== null) headers.set('authorization', `Bearer ${key}`);
    return toAnswer(await fetch(`${api.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) }));
  };
}

describe('the lanes', () => {
  let api: TestApi;
  let send: Send;
  beforeAll(async () => {
    api = await startApi({ ADMIN_KEY });
    send = sender(api, ADMIN_KEY);
  });
  afterAll(() => api.close());

  it('are all listed, used or not', async () => {
    const { status, json } = await send('GET', '/v1/lanes');
    expect([status, json.object, json.first_id, json.last_id, json.has_more]).toEqual([
      200,
      'list',
      LANES[0],
      'other',
      false,
    ]);
    expect(json.data.map(({ id }: { id: string }) => id)).toEqual(LANES);
    expect(json.data.at(-1)).toMatchObject({ id: 'other', object: 'lane', family: null, waiting: 0, open_calls: 0 });
  });

  it('show a job that was accepted', async () => {
    expect((await api.post('/v1/jobs', GENERATION)).status).toBe(202);
    const { json } = await send('GET', '/v1/lanes');
    const lane = json.data.find(({ id }: { id: string }) => id === OTHER_LANE);
    expect(lane).toMatchObject({ family: 'gpt-image-2.6', waiting: 1, active: 0 });
  });

  it.each([
    ['GET', '/v1/lanes?limit=3', undefined, 400, 'unknown_parameter'],
    ['POST', `/v1/lanes/${LANE}/resume?now=1`, undefined, 400, 'unknown_parameter'],
    ['POST', `/v1/lanes/${LANE}/resume`, '{"force":true}', 400, 'unknown_parameter'],
    ['POST', '/v1/lanes/gpt-image-22/resume', undefined, 404, 'not_found'],
    ['GET', `/v1/lanes/${LANE}/resume`, undefined, 405, 'method_not_allowed'],
  ])('%s %s (%s) → %i %s', async (method, path, body, status, code) => {
    const answer = await send(method, path, body);
    expect([answer.status, answer.json.error.code]).toEqual([status, code]);
  });

  it('that do not exist are answered with the nearest', async () => {
    const { json } = await send('POST', '/v1/lanes/gpt-image-2.6-flair/resume');
    expect(json.error.message).toBe(
      "No lane found with id 'gpt-image-2.6-flair'. Did you mean 'gpt-image-2.6-flare', 'gpt-image-2.5-flare'?",
    );
    const far = await send('POST', '/v1/lanes/midjourney/resume');
    expect(far.json.error.message).toBe("No lane found with id 'midjourney'.");
  });

  it('resume: stops, a lowered concurrency, pauses and rests end, once, and the workers hear of it', async () => {
    const { redis, keys, queues } = api.deps;
    const [seconds] = await redis.time();
    const now = Number(seconds) * 1_000;
    const error = { status: 401, type: 'invalid_request_error', code: 'invalid_api_key', message: 'Incorrect key.' };
    const bucket = keys.bucket('default', LANE);
    await redis
      .pipeline()
      .hset(keys.upstreamKey('default'), { paused: JSON.stringify(error), pausedAt: now, probeAt: now + 30_000 })
      .hset(keys.upstreamKey('default'), { backoff: 30_000, told: '{}', host: 'api.example.com' })
      .hset(bucket, { notBefore: now + 600_000, 'tat.images': now + 605_000, 'learned.images': 60, epoch: 3 })
      .hset(bucket, { slowCap: 2, slowAt: now, 'working.requests': 0.1, 'hint.requests': 0.1, 'guessAt.requests': now })
      .exec();
    for (const lane of [LANE, OTHER_LANE]) await queues.queue(lane).rateLimit(60_000);
    const heard: string[] = [];
    const subscriber = api.redis.redis.duplicate();
    subscriber.on('message', (_channel, message: string) => heard.push(message));
    await subscriber.subscribe(keys.limitChanges);

    const before = (await send('GET', '/v1/lanes')).json.data.find(({ id }: { id: string }) => id === LANE);
    expect(before.resting_until).toBeGreaterThan(now / 1_000 + 50);
    expect(before.upstream_keys[0]).toMatchObject({
      name: 'default',
      host: 'api.example.com',
      paused: { since: now / 1_000, next_probe_at: now / 1_000 + 30, probing: false, error },
    });
    expect(before.upstream_keys[0].limits[0]).toMatchObject({
      name: LANE,
      images_per_minute: { limit: 60, source: 'learned', available: 0 },
      concurrency: { limit: null, in_use: 0, lowered_to: 2 },
      stopped_until: now / 1_000 + 600,
    });

    const { status, json } = await send('POST', `/v1/lanes/${LANE}/resume`);
    expect([status, json.id, json.object, json.resting_until]).toEqual([200, LANE, 'lane', null]);
    expect(json.upstream_keys[0]).toMatchObject({ paused: null, host: 'api.example.com' });
    expect(json.upstream_keys[0].limits[0]).toMatchObject({
      images_per_minute: { limit: 60, source: 'learned' },
      concurrency: null,
      stopped_until: null,
    });
    expect(await redis.hget(bucket, 'epoch')).toBe('4');
    expect(Number(await redis.hget(bucket, 'tat.images'))).toBeLessThan(now + 20_000);
    expect(await redis.hmget(bucket, 'learned.images', 'working.requests', 'hint.requests')).toEqual([
      '60',
      null,
      null,
    ]);
    expect(await redis.hkeys(keys.upstreamKey('default'))).toEqual(expect.arrayContaining(['told', 'host']));
    const rest = (lane: string) => redis.exists(`${keys.queuePrefix}:calls-${lane}:limiter`);
    expect([await rest(LANE), await rest(OTHER_LANE)]).toEqual([0, 0]);
    await expect.poll(() => heard).toEqual(['resumed default', `resumed default ${LANE}`]);

    const again = await send('POST', `/v1/lanes/${LANE}/resume`);
    expect([again.status, again.json.upstream_keys]).toEqual([200, json.upstream_keys]);
    expect(await redis.hget(bucket, 'epoch')).toBe('4');
    expect(heard).toHaveLength(2);
    subscriber.disconnect();
  });
});

describe('who may see them', () => {
  const ROUTES = [
    ['GET', '/v1/lanes'],
    ['POST', `/v1/lanes/${LANE}/resume`],
  ] as const;

  it.each<[env: Record<string, string>, key: string | null, status: number, code: string | null]>([
    [{ ADMIN_KEY }, ADMIN_KEY, 200, null],
    [{ ADMIN_KEY }, null, 401, 'invalid_api_key'],
    [{ ADMIN_KEY }, `${ADMIN_KEY}x`, 401, 'invalid_api_key'],
    [{ ADMIN_KEY }, SHOP_KEY, 403, 'forbidden'],
    [{}, SHOP_KEY, 404, 'not_found'],
    [{}, null, 404, 'not_found'],
    [{ AUTH: 'off' }, null, 200, null],
    [{ AUTH: 'off' }, SHOP_KEY, 200, null],
    [{ AUTH: 'off', ADMIN_KEY }, ADMIN_KEY, 200, null],
    [{ AUTH: 'off', ADMIN_KEY }, null, 401, 'invalid_api_key'],
    [{ AUTH: 'off', ADMIN_KEY }, SHOP_KEY, 401, 'invalid_api_key'],
  ])('%o asked with %s: %i %s', async (env, key, status, code) => {
    const api = await startApi(env);
    for (const [method, path] of ROUTES) {
      const answer = await sender(api, key)(method, path);
      expect([method, answer.status, answer.json.error?.code ?? null]).toEqual([method, status, code]);
    }
    await api.close();
  });

  it('answers as if there were no such route', async () => {
    const api = await startApi();
    const [hidden, none] = await Promise.all([
      sender(api, null)('GET', '/v1/lanes'),
      sender(api, null)('GET', '/v1/no'),
    ]);
    expect(hidden.json.error.message).toBe(none.json.error.message.replace('/v1/no', '/v1/lanes'));
    await api.close();
  });
});
