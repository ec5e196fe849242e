import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { completeJob, failJob, newestJob } from '../testing/finish-job.ts';
import { SHOP_KEY, type TestApi } from '../testing/start-api.ts';
import { startTwoApis, type TwoApis } from '../testing/two-apis.ts';

const IMAGES = '/v1/images/generations';
const CAT = { model: 'gpt-image-2.6-flare', prompt: 'a cat' };
const ROUTES: [route: string, body: object][] = [
  [IMAGES, CAT],
  ['/v1/jobs', { operation: 'generation', input: CAT }],
  ['/v1/batches', { completion_window: '24h', requests: [{ custom_id: 'a', operation: 'generation', body: CAT }] }],
];
const RETRY = { 'x-stainless-retry-count': '1' };
const PATIENT = { timeout: 10_000 };

let apis: TwoApis;
let api: TestApi;
let other: TestApi;
beforeEach(async () => {
  apis = await startTwoApis();
  ({ one: api, other } = apis);
});
afterEach(() => apis.close());

const jobsMade = () => api.deps.redis.zcard(api.deps.keys.accountJobs('shop'));
const batchesMade = () => api.deps.redis.zcard(api.deps.keys.accountBatches('shop'));

/** A request whose client leaves once `jobs` are recorded; resolves when that has been noticed. */
async function askAndLeave(jobs: number, at = api, body: object = CAT, headers: Record<string, string> = {}) {
  const leaving = new AbortController();
  const reply = fetch(`${at.url}${IMAGES}`, {
    method: 'POST',
    signal: leaving.signal,
    body: JSON.stringify(body),
    headers: { authorization: `Bearer ${SHOP_KEY}`, 'content-type': 'application/json', ...headers },
  });
  const id = await newestJob(api.deps, jobs);
  leaving.abort();
  await expect(reply).rejects.toThrow();
  await expect.poll(() => waitingFor(id), PATIENT).toBe(0);
  return id;
}

/** How many clients wait for the reply of a job. */
async function waitingFor(id: string): Promise<number> {
  const [key] = (await api.redis.redis.keys('*unanswered*:askers')) as [string];
  return ((await api.redis.redis.hget(key, id)) ?? '').split(' ').length - 1;
}

/** Written replies count as written that much earlier. */
async function letTimePass(ms: number): Promise<void> {
  const { redis, keys } = api.deps;
  for (const key of await redis.keys(`${keys.unanswered('*', '*').replace(/[{}]/g, '?')}:askers`)) {
    for (const [id, entry] of Object.entries(await redis.hgetall(key))) {
      const at = /^w([\d.]+)$/.exec(entry)?.[1];
      if (at !== undefined) await redis.hset(key, id, `w${Number(at) - ms}`);
    }
  }
}

/** A request written by hand, its connection cut before its reply is read. */
async function sendRaw(path: string, body: object): Promise<Socket> {
  const { port } = new URL(api.url);
  const socket = connect(Number(port), '127.0.0.1');
  await once(socket, 'connect');
  const text = JSON.stringify(body);
  const head = [
    `POST ${path} HTTP/1.1`,
    'host: x',
    `authorization: Bearer ${SHOP_KEY}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${text}`);
  return socket;
}

describe('a client’s own retry', () => {
  it('gets the job of its earlier try, on any process, and no other is made', async () => {
    const id = await askAndLeave(1);
    const retry = other.post(IMAGES, CAT, RETRY);
    await expect.poll(() => waitingFor(id), PATIENT).toBe(1);
    await completeJob(api.deps, id);
    const { status, headers } = await retry;
    expect([status, headers.get('x-darkroom-job-id'), headers.get('x-darkroom-joined')]).toEqual([200, id, 'true']);
    expect(await jobsMade()).toBe(1);
  });

  it('gets a job that has ended meanwhile, images and errors alike', async () => {
    const [first, second] = [await askAndLeave(1), await askAndLeave(2, other, { ...CAT, n: 2 })];
    await completeJob(api.deps, first);
    await failJob(api.deps, second);
    expect((await api.post(IMAGES, CAT, RETRY)).headers.get('x-darkroom-job-id')).toBe(first);
    const failed = await api.post(IMAGES, { ...CAT, n: 2 }, RETRY);
    expect([failed.status, failed.headers.get('x-should-retry')]).toEqual([400, 'false']);
    expect(await jobsMade()).toBe(2);
  });

  it('is the same once more when the reply was written a moment ago, which may be lost on its way', async () => {
    const id = await askAndLeave(1);
    await completeJob(api.deps, id);
    await api.post(IMAGES, CAT, RETRY);
    const again = await api.post(IMAGES, CAT, RETRY);
    expect([again.headers.get('x-darkroom-job-id'), await jobsMade()]).toEqual([id, 1]);
  });

  it('is new when the final reply was written longer ago', async () => {
    const id = await askAndLeave(1);
    await completeJob(api.deps, id);
    await api.post(IMAGES, CAT, RETRY);
    await letTimePass(16_000);
    const later = await api.post(IMAGES, CAT, { ...RETRY, prefer: 'respond-async' });
    expect([later.json.id === id, await jobsMade()]).toEqual([false, 2]);
  });

  it.each(['0', '', 'many', '-1'])('is none with a count of %j', async (count) => {
    await askAndLeave(1);
    await api.post(IMAGES, CAT, { 'x-stainless-retry-count': count, prefer: 'respond-async' });
    expect(await jobsMade()).toBe(2);
  });

  it('is of the same body and route', async () => {
    const id = await askAndLeave(1);
    const headers = { ...RETRY, prefer: 'respond-async' };
    await api.post(IMAGES, { ...CAT, prompt: 'a dog' }, headers);
    await api.post('/v1/jobs', { operation: 'generation', input: CAT }, headers);
    expect(await jobsMade()).toBe(3);
    const same = await api.post(IMAGES, { prompt: CAT.prompt, n: null, model: CAT.model }, headers);
    expect(same.json.id).toBe(id);
  });

  it('goes to the oldest whose client is gone, each to one of its own', async () => {
    const waiting = api.post(IMAGES, CAT);
    const held = await newestJob(api.deps, 1);
    const [first, second] = [await askAndLeave(2, other), await askAndLeave(3)];
    const retries = [api.post(IMAGES, CAT, RETRY), other.post(IMAGES, CAT, RETRY)];
    await expect.poll(async () => [await waitingFor(first), await waitingFor(second)], PATIENT).toEqual([1, 1]);
    for (const id of [held, first, second]) await completeJob(api.deps, id);
    const ids = await Promise.all(
      [waiting, ...retries].map(async (reply) => (await reply).headers.get('x-darkroom-job-id')),
    );
    expect([ids[0], new Set(ids)]).toEqual([held, new Set([held, first, second])]);
    expect(await jobsMade()).toBe(3);
  });

  it('joins the one who waits when nobody saw it leave', async () => {
    const waiting = api.post(IMAGES, CAT);
    const id = await newestJob(api.deps, 1);
    const retry = other.post(IMAGES, CAT, RETRY);
    await expect.poll(() => waitingFor(id), PATIENT).toBe(2);
    await completeJob(api.deps, id);
    for (const reply of [await waiting, await retry]) expect(reply.headers.get('x-darkroom-job-id')).toBe(id);
    const entries = await api.redis.redis.keys('*unanswered*:askers');
    const left = async () => (await Promise.all(entries.map((key) => api.redis.redis.hvals(key)))).flat();
    await expect.poll(left, PATIENT).toEqual([expect.stringMatching(/^w[\d.]+$/)]);
  });

  it('takes the clients of a process that died for gone', async () => {
    const waiting = [api.post(IMAGES, CAT), other.post(IMAGES, CAT)];
    await newestJob(api.deps, 2);
    // What is left of a process that was killed: its marks, and no heartbeat.
    await other.deps.askers.stop();
    const [mine, orphan] = [await waitingAt(api), await waitingAt(other)];
    const retry = await api.post(IMAGES, CAT, { ...RETRY, prefer: 'respond-async' });
    expect([retry.json.id, mine === orphan]).toEqual([orphan, false]);
    for (const id of [mine, orphan]) await completeJob(api.deps, id);
    await Promise.all(waiting);
  });

  async function waitingAt({ lines }: TestApi): Promise<string> {
    const ids = await api.deps.redis.zrange(api.deps.keys.accountJobs('shop'), '0', '-1');
    const [key] = (await api.redis.redis.keys('*unanswered*:askers')) as [string];
    const process = lines === api.lines ? api.deps.askers.next() : other.deps.askers.next();
    for (const id of ids) {
      if ((await api.redis.redis.hget(key, id))?.includes(process.split('.')[0] ?? '')) return id;
    }
    return expect.fail('nobody waits there');
  }

  it('makes one job with the first try it has overtaken', async () => {
    const replies = await Promise.all([
      api.post(IMAGES, CAT, { ...RETRY, prefer: 'wait=1' }),
      other.post(IMAGES, CAT, { ...RETRY, prefer: 'wait=1' }),
    ]);
    expect(new Set(replies.map(({ json }) => json.id)).size).toBe(1);
    expect(await jobsMade()).toBe(1);
  });

  it.each(ROUTES)('works on %s when the reply never arrived', async (path, body) => {
    const made = path === '/v1/batches' ? batchesMade : jobsMade;
    // The connection is cut in the moment the reply is on its way.
    const socket = await sendRaw(path, body);
    await expect.poll(made, PATIENT).toBe(1);
    socket.resetAndDestroy();
    if (path === IMAGES) await completeJob(api.deps, await newestJob(api.deps, 1));
    const retry = await api.post(path, body, RETRY);
    expect([retry.headers.get('x-darkroom-joined'), await made()]).toEqual(['true', 1]);
  });

  it('of a batch makes no second one', async () => {
    const [, body] = ROUTES[2] ?? expect.fail();
    const headers = { ...RETRY };
    const replies = await Promise.all([
      api.post('/v1/batches', body, headers),
      other.post('/v1/batches', body, headers),
      api.post('/v1/batches', body, headers),
    ]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await batchesMade()).toBe(1);
  });
});

describe('a client that leaves', () => {
  it('before its job is recorded makes none', async () => {
    const arrived = once(api.server, 'request');
    const socket = await sendRaw(IMAGES, CAT);
    await arrived;
    socket.resetAndDestroy();
    await expect.poll(() => api.lines.filter((line) => line.includes('"status":499')).length, PATIENT).toBe(1);
    const made = await jobsMade();
    // Either it was in time, and the job has nobody who waits, or there is none.
    if (made === 1) await expect.poll(async () => waitingFor(await newestJob(api.deps, 1)), PATIENT).toBe(0);
    expect(api.lines.filter((line) => line.includes('"level":50'))).toEqual([]);
  });

  it('leaves its job running, and nothing else behind', async () => {
    const id = await askAndLeave(1);
    expect((await api.ask(`/v1/jobs/${id}`)).json.status).toBe('queued');
    await expect.poll(() => api.lines.filter((line) => line.includes('"status":499')).length, PATIENT).toBe(1);
  });
});

describe('OpenAI’s SDK', () => {
  it('gets its images by itself after a time-out, paid once', async () => {
    const openai = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: SHOP_KEY, timeout: 700, maxRetries: 3 });
    const reply = openai.images.generate({ ...CAT, n: 1 });
    const id = await newestJob(api.deps, 1);
    await expect.poll(() => waitingFor(id), PATIENT).toBe(0);
    await completeJob(api.deps, id);
    expect((await reply).data).toHaveLength(1);
    expect(await jobsMade()).toBe(1);
  });

  it('follows a 504 and gets its images, paid once', async () => {
    const impatient = await startTwoApis({ SYNC_TIMEOUT_MS: '300' });
    const openai = new OpenAI({ baseURL: `${impatient.one.url}/v1`, apiKey: SHOP_KEY, maxRetries: 3 });
    const reply = openai.images.generate({ ...CAT, n: 1 });
    const { deps, lines } = impatient.one;
    const id = await newestJob(deps, 1);
    await expect.poll(() => lines.filter((line) => line.includes('"status":504')).length, PATIENT).toBe(1);
    await completeJob(deps, id);
    expect((await reply).data).toHaveLength(1);
    expect(await deps.redis.zcard(deps.keys.accountJobs('shop'))).toBe(1);
    await impatient.close();
  });
});

describe('an idempotency key', () => {
  it('makes one job of a hundred requests at two processes', async () => {
    const headers = { 'idempotency-key': 'hundred', prefer: 'respond-async' };
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? api : other).post(IMAGES, CAT, headers)),
    );
    expect(new Set(replies.map(({ status, json }) => `${status} ${json.id}`)).size).toBe(1);
    expect(await jobsMade()).toBe(1);
  });

  it('says itself what is the same, whatever the count of retries', async () => {
    await askAndLeave(1);
    const headers = { ...RETRY, prefer: 'respond-async', 'idempotency-key': 'new' };
    const [first, again] = [await api.post(IMAGES, CAT, headers), await other.post(IMAGES, CAT, headers)];
    expect([first.json.id === again.json.id, await jobsMade()]).toEqual([true, 2]);
  });
});
