// REDIS_MIN_REPLICAS as callers meet it.
import { type RedisPair, startRedisPair } from '@darkroom/testing/redis-pair.ts';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Answer, GENERATION, startApi, type TestApi } from './testing/start-api.ts';

let pair: RedisPair;
let api: TestApi;

beforeEach(async () => {
  pair = await startRedisPair();
  const redis = new Redis(pair.master.url);
  const given = { url: pair.master.url, prefix: 'darkroom', redis, close: async () => redis.disconnect() };
  api = await startApi({ REDIS_MIN_REPLICAS: '1' }, given);
});
afterEach(async () => {
  await api.close();
  await pair.close();
});

const degraded = async (): Promise<string[] | undefined> => (await api.ask('/readyz')).json.degraded;

/** The first 202: a busy replica may confirm too late, and the client asks again as it was told to. */
function accepted(key: string): Promise<Answer> {
  const submit = async (): Promise<Answer> => {
    const answer = await api.post('/v1/jobs', GENERATION, { 'idempotency-key': key });
    expect(answer.status).toBe(202);
    return answer;
  };
  return vi.waitFor(submit, { timeout: 10_000 });
}

it('an accepted job is on the replica, and all is well', async () => {
  const { json } = await accepted('one');
  expect(await pair.survivor.exists(api.deps.keys.job(json.id))).toBe(1);
  await expect.poll(async () => (await degraded())?.filter((problem) => problem.includes('replica'))).toEqual([]);
});

it('without a replica nothing is accepted, nothing is recorded, and /readyz says why', async () => {
  await pair.replica.stop();
  const { status, json, headers } = await api.post('/v1/jobs', GENERATION);
  expect([status, json.error.code, headers.get('retry-after')]).toEqual([503, 'unavailable', '2']);
  expect(json.error.message).toContain('Nothing was done.');
  expect(await api.deps.redis.zcard(api.deps.keys.accountJobs('shop'))).toBe(0);
  expect((await api.ask('/v1/jobs')).status).toBe(200);
  await expect
    .poll(degraded)
    .toContainEqual('0 replicas are connected and REDIS_MIN_REPLICAS is 1: nothing is accepted or sent');
});

it('a job whose replication is not known is found by its key, and only told once the replica has it', async () => {
  await accepted('zero');
  pair.replica.signal('SIGSTOP');
  const key = { 'idempotency-key': 'one' };
  const first = await api.post('/v1/jobs', GENERATION, key);
  expect([first.status, first.json.error.message]).toEqual([503, expect.stringContaining('may have been recorded')]);
  await expect.poll(degraded).toContainEqual(expect.stringContaining('replicas do not confirm'));
  const again = await api.post('/v1/jobs', GENERATION, key);
  expect([again.status, again.json.error.message]).toEqual([503, expect.stringContaining('recorded before')]);
  pair.replica.signal('SIGCONT');
  await expect.poll(async () => (await api.post('/v1/jobs', GENERATION, key)).status).toBe(202);
  expect(await api.deps.redis.zcard(api.deps.keys.accountJobs('shop'))).toBe(2);
});

it('/readyz is 200 and degraded also when the answer of the replicas comes late, or never', async () => {
  await expect.poll(async () => (await api.ask('/readyz')).status).toBe(200);
  const { redis } = api.deps.submit.steps;
  // What is asked behind it waits, as behind waits for replicas. The client gives it up after 3 s, if that comes first.
  const held = redis.blpop('nothing', 0).then(
    () => 'answered',
    ({ message }: Error) => message,
  );
  const late = await api.ask('/readyz');
  await api.redis.redis.rpush('nothing', 'something');
  expect(await held).toMatch(/^answered$|^Reached the max retries/);
  redis.disconnect();
  for (const { status, json } of [late, await api.ask('/readyz')]) {
    expect(status).toBe(200);
    expect(json.degraded).toContainEqual(expect.stringContaining('replicas do not confirm'));
  }
});
