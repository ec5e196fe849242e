import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { startRedisServer, type TestRedisServer } from '@darkroom/testing/redis-server.ts';
import { Redis } from 'ioredis';
import { describe, expect, it, vi } from 'vitest';
import { type Answer, GENERATION, startApi, type TestApi } from '../testing/start-api.ts';

/** Runs against a Redis of its own, which it may take away. */
async function withOwnRedis(test: (api: TestApi, server: TestRedisServer) => Promise<void>) {
  const server = await startRedisServer();
  const redis = new Redis(server.url);
  redis.on('error', () => undefined); // it is taken away on purpose
  const owned: TestRedis = { url: server.url, prefix: 'outage', redis, close: async () => redis.disconnect() };
  const api = await startApi({}, owned);
  try {
    await test(api, server);
  } finally {
    await api.close();
    await server.stop();
  }
}

/** Every way in that needs Redis. */
const attempts = (api: TestApi) => [
  api.post('/v1/jobs', GENERATION),
  api.ask('/v1/jobs'),
  api.ask('/v1/jobs/job_01kb4xwqf7c0v3m8r5y2d9tz6n?wait=30'),
  api.post('/v1/jobs/job_01kb4xwqf7c0v3m8r5y2d9tz6n/cancel'),
  api.ask('/v1/images/img_01kb4xwqf7c0v3m8r5y2d9tz6n_0/content'),
  api.ask('/readyz'),
];

/** Those who wait for a job are told after 15 s; nobody else has to wait for that. */
const AT_ONCE_MS = 10_000;

async function expectUnavailable(api: TestApi): Promise<void> {
  const startedAt = performance.now();
  for (const { status, json } of await Promise.all(attempts(api))) {
    expect([status, json.error.code, json.error.type]).toEqual([503, 'unavailable', 'service_unavailable_error']);
  }
  expect(performance.now() - startedAt).toBeLessThan(AT_ONCE_MS);
  expect((await api.ask('/livez')).status).toBe(200);
}

describe('without Redis', () => {
  it('answers 503 at once, lives, and works again when it is back', async () => {
    await withOwnRedis(async (api, server) => {
      expect((await api.post('/v1/jobs', GENERATION)).status).toBe(202);
      await server.stop();
      await expectUnavailable(api);
      expect((await api.ask('/metrics')).text).not.toContain('darkroom_lane_depth_calls{');
      const again = await startRedisServer(server.port);
      await expect.poll(async () => (await api.ask('/readyz')).status, { timeout: 15_000 }).toBe(200);
      expect((await api.post('/v1/jobs', GENERATION)).status).toBe(202);
      await again.stop();
    });
  });

  it('answers 503 also when Redis is there but frozen', async () => {
    await withOwnRedis(async (api, server) => {
      server.signal('SIGSTOP');
      await expectUnavailable(api);
      server.signal('SIGCONT');
      await expect.poll(async () => (await api.ask('/readyz')).status, { timeout: 15_000 }).toBe(200);
    });
  });

  it('tells those who wait for a job, and does not take back a job it accepted', async () => {
    await withOwnRedis(async (api, server) => {
      const { json } = await api.post('/v1/jobs', GENERATION);
      const reading = api.ask(`/v1/jobs/${json.id}?wait=600`);
      const submitting = api.post('/v1/jobs', GENERATION, { prefer: 'wait=600' });
      await expect.poll(() => api.deps.redis.zcard(api.deps.keys.accountJobs('shop'))).toBe(2);
      await expect.poll(async () => (await api.ask('/v1/jobs?limit=1')).status).toBe(200);
      await server.stop();
      expect((await reading).status).toBe(503);
      const accepted = await submitting;
      expect([accepted.status, accepted.json.status]).toEqual([202, 'queued']);
    });
  });
});

/** Its answer as soon as it is 200: on a busy machine a probe may take longer than it is waited for. */
function ready(api: TestApi): Promise<Answer> {
  const ask = async (): Promise<Answer> => {
    const answer = await api.ask('/readyz');
    expect(answer.status).toBe(200);
    return answer;
  };
  return vi.waitFor(ask, { timeout: 10_000 });
}

/** What it says with its 503; for the same reason it may first say something else. */
async function unready(api: TestApi): Promise<string> {
  const { status, json } = await api.ask('/readyz');
  expect(status).toBe(503);
  return json.error.message;
}

describe('/readyz', () => {
  it('is 200 and names settings under which jobs can be lost', async () => {
    await withOwnRedis(async (api) => {
      const { json } = await ready(api);
      expect(json).toEqual({ status: 'ok', degraded: [expect.stringContaining('appendonly is off')] });
    });
  });

  it('is 503 while an empty folder stands where the storage was, and says so', async () => {
    const redis = await openTestRedis();
    const api = await startApi({}, redis);
    const folder = api.deps.config.STORAGE_URL.slice('file:'.length);
    await api.deps.store.probe();
    await rename(folder, `${folder}-away`); // at once: the API's first look at it may still be writing there
    await mkdir(folder);
    await expect.poll(() => unready(api)).toContain('has no darkroom.json');
    await api.close();
    await rm(`${folder}-away`, { recursive: true });
  });

  it('names what a worker says of the storage, and promises no waiting time then', async () => {
    const redis = await openTestRedis();
    const api = await startApi({}, redis);
    await redis.redis.zadd(api.deps.keys.upstreamKeys, Date.now(), 'default');
    const wait = async () => (await api.post('/v1/jobs', { ...GENERATION, dry_run: true })).json.expected_wait_seconds;
    expect(await wait()).toBe(0);
    await redis.redis.set(api.deps.keys.storageAway, 'it is full', 'PX', 60_000);
    const { json } = await ready(api);
    expect(json.degraded).toContainEqual(expect.stringContaining('it is full'));
    await expect.poll(wait, { timeout: 10_000 }).toBe(null);
    await api.close();
  });

  it('is 503 while the storage is away', async () => {
    const redis = await openTestRedis();
    const api = await startApi({}, redis);
    const folder = api.deps.config.STORAGE_URL.slice('file:'.length);
    await api.deps.store.probe();
    await rename(folder, `${folder}-away`);
    await writeFile(folder, 'a file where the folder was');
    await expect.poll(() => unready(api)).toBe('The image storage cannot be read (ENOTDIR).');
    await api.close();
    await rm(`${folder}-away`, { recursive: true });
  });
});
