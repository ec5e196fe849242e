import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { startRedisServer, type TestRedisServer } from '@darkroom/testing/redis-server.ts';
import Fastify from 'fastify';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EventStreams } from '../http/event-streams/event-streams.ts';
import { registerAuth } from '../plugins/auth.ts';
import { registerRequestLog } from '../plugins/request-log.ts';
import { type EventSourceForTests, openEvents } from '../testing/event-source.ts';
import { completeJob } from '../testing/finish-job.ts';
import { makeEvents } from '../testing/make-events.ts';
import { GENERATION, OTHER_KEY, SHOP_KEY, startApi, type TestApi } from '../testing/start-api.ts';
import { registerEvents } from './events.ts';

let server: TestRedisServer;
let api: TestApi;
const opened: EventSourceForTests[] = [];
beforeAll(async () => {
  server = await startRedisServer();
  const redis = new Redis(server.url);
  const close = async (): Promise<void> => redis.disconnect();
  api = await startApi({ MAX_EVENT_STREAMS: '60' }, { url: server.url, prefix: 'limits', redis, close });
});
afterEach(async () => {
  for (const stream of opened.splice(0)) stream.close();
  await expect.poll(openStreams, { timeout: 10_000 }).toBe(0);
});
afterAll(async () => {
  await api.close();
  await server.stop();
});

async function openStreams(): Promise<number> {
  return (await api.deps.metrics.eventStreamsOpen.get()).values[0]?.value ?? 0;
}

async function submit(extra: object = {}): Promise<string> {
  return (await api.post('/v1/jobs', { ...GENERATION, ...extra })).json.id;
}

async function follow(path: string, key = SHOP_KEY, base = api.url, lastEventId = ''): Promise<EventSourceForTests> {
  const stream = await openEvents(`${base}${path}`, { authorization: `Bearer ${key}`, 'last-event-id': lastEventId });
  opened.push(stream);
  return stream;
}

/** A client that asks for a stream and reads nothing of it. */
async function followBlindly(base: string, path: string, lastEventId = ''): Promise<Socket> {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.pause();
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${SHOP_KEY}\r\nlast-event-id: ${lastEventId}\r\n\r\n`,
  );
  return socket;
}

/** About 10 kB an event. */
const LONG = { metadata: Object.fromEntries(Array.from({ length: 15 }, (_, at) => [`k${at}`, 'x'.repeat(500)])) };
/** More than the buffers of a connection on this machine hold, and then some. */
const MANY = 1_500;
const many = (jobId: string) => ({
  account: 'shop',
  jobId,
  type: 'job.in_progress',
  status: 'in_progress',
  count: MANY,
});

describe('a slow reader', () => {
  it('is cut off, and others go on', async () => {
    const id = await submit(LONG);
    const others = await Promise.all([follow('/v1/events'), follow(`/v1/jobs/${id}/events`)]);
    await Promise.all(others.map((stream) => stream.take(1)));
    const slow = await followBlindly(api.url, '/v1/events');
    await expect.poll(openStreams).toBe(3);
    await makeEvents(api.deps, many(id));
    for (const stream of others) expect(await stream.take(1 + MANY)).toHaveLength(1 + MANY);
    await expect.poll(openStreams, { timeout: 10_000 }).toBe(2);
    await completeJob(api.deps, id);
    expect((await others[1]?.ended)?.at(-1)?.type).toBe('job.completed');
    slow.destroy();
  });

  it('has read whole events up to there and gets the rest when it comes back', async () => {
    const id = await submit(LONG);
    const slow = await followBlindly(api.url, '/v1/events');
    await expect.poll(openStreams).toBe(1);
    await makeEvents(api.deps, many(id));
    await expect.poll(openStreams, { timeout: 10_000 }).toBe(0);
    const received: Buffer[] = [];
    slow.on('data', (chunk: Buffer) => received.push(chunk));
    slow.resume();
    await once(slow, 'close');
    const ids = [
      ...Buffer.concat(received)
        .toString()
        .matchAll(/^id: (\d+-\d+)\n(?:.+\n)+\r?\n?/gm),
    ].map((match) => match[1] ?? '');
    const rest = MANY - (ids.length - 1);
    expect(rest).toBeGreaterThan(0);
    const again = await follow('/v1/events', SHOP_KEY, api.url, ids.at(-1));
    expect((await again.take(rest)).at(-1)?.json.sequence).toBe(1_000 + MANY);
  });
});

describe('a heartbeat', () => {
  const HEARTBEAT_MS = 20;
  let url: string;
  let close: () => Promise<void>;
  beforeAll(async () => {
    const app = Fastify();
    registerRequestLog(app, api.deps);
    registerAuth(app, api.deps);
    registerEvents(app, api.deps, new EventStreams(api.deps, { heartbeatMs: HEARTBEAT_MS }));
    url = await app.listen({ host: '127.0.0.1', port: 0 });
    close = () => app.close();
  });
  afterAll(() => close());

  it('comes as a comment again and again', async () => {
    const stream = await follow('/v1/events', SHOP_KEY, url);
    await expect.poll(() => stream.comments.length).toBeGreaterThanOrEqual(3);
    expect(new Set(stream.comments)).toEqual(new Set(['ping']));
    expect(stream.events).toHaveLength(1);
  });

  it('moves a client on that its filter keeps quiet, so that it never has to begin anew', async () => {
    const stream = await follow('/v1/events?types=job.expired', SHOP_KEY, url);
    await stream.take(1);
    const id = await submit();
    await completeJob(api.deps, id);
    const newest = (await api.deps.redis.xrevrange(api.deps.keys.accountEvents('shop'), '+', '-', 'COUNT', 1))[0]?.[0];
    await expect.poll(() => stream.lastEventId).toBe(newest);
    expect(stream.events).toHaveLength(1);
  });

  it('cuts off a client that takes nothing of its replay', async () => {
    const id = await submit(LONG);
    const before = await follow('/v1/events');
    const begin = (await before.take(1))[0]?.id;
    await makeEvents(api.deps, many(id));
    await before.take(1 + MANY);
    before.close();
    const slow = await followBlindly(url, '/v1/events', begin);
    await expect.poll(openStreams).toBe(1);
    await expect.poll(openStreams, { timeout: 10_000 }).toBe(0);
    slow.destroy();
  });
});

describe('an account', () => {
  it('gets 429 for one stream too many, until one ends; others are not concerned', async () => {
    const streams = await Promise.all(Array.from({ length: 60 }, () => follow('/v1/events')));
    const { status, headers, json } = await api.ask('/v1/events');
    expect([status, json.error.code, json.error.type]).toEqual([429, 'too_many_streams', 'rate_limit_error']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await follow('/v1/events', OTHER_KEY)).status).toBe(200);
    streams[0]?.close();
    await expect.poll(async () => (await follow('/v1/events')).status).toBe(200);
  });

  it('costs one read of the job for each event, however many streams follow', async () => {
    const streams = await Promise.all(Array.from({ length: 50 }, () => follow('/v1/events')));
    await Promise.all(streams.map((stream) => stream.take(1)));
    const id = await submit();
    api.deps.learnedModels.stop(); // it reads a hash, too
    const before = await readsOfJobs();
    await makeEvents(api.deps, {
      account: 'shop',
      jobId: id,
      type: 'job.in_progress',
      status: 'in_progress',
      count: 1,
    });
    await Promise.all(streams.map((stream) => stream.take(2)));
    expect((await readsOfJobs()) - before).toBe(1);
    const sent = (await api.deps.metrics.eventsSent.get()).values[0]?.value ?? 0;
    expect(sent).toBeGreaterThanOrEqual(50);
  });
});

async function readsOfJobs(): Promise<number> {
  return Number(/cmdstat_hgetall:calls=(\d+)/.exec(await api.deps.redis.info('commandstats'))?.[1] ?? 0);
}

describe('a connection to Redis that breaks', () => {
  it('loses no event', async () => {
    const id = await submit();
    const stream = await follow(`/v1/jobs/${id}/events`);
    await stream.take(1);
    for (let round = 1; round <= 3; round += 1) {
      const killed = await api.redis.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes');
      expect(killed).toBe(1);
      await makeEvents({ redis: api.redis.redis, keys: api.deps.keys }, { ...many(id), count: 2 });
      await stream.take(1 + round * 2);
    }
    await api.redis.redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await expect.poll(async () => (await api.ask('/readyz')).status).toBe(200);
    await completeJob(api.deps, id);
    expect((await stream.ended).map(({ type }) => type).slice(-2)).toEqual(['image.completed', 'job.completed']);
  });
});

/** A connection held open would be waited for until it idles out, after 72 s. */
const NOT_HELD_UP_MS = 20_000;

describe('a process that stops', () => {
  it('ends all streams at once and is held up neither by them nor by connections that ask for nothing', async () => {
    const own = await startApi();
    const streams = await Promise.all(
      Array.from({ length: 20 }, () => openEvents(`${own.url}/v1/events`, { authorization: `Bearer ${SHOP_KEY}` })),
    );
    await Promise.all(streams.map((stream) => stream.take(1)));
    const silent = connect(Number(new URL(own.url).port), '127.0.0.1');
    await once(silent, 'connect');
    await expect.poll(() => new Promise((resolve) => own.server.getConnections((_, count) => resolve(count)))).toBe(21);
    const beganAt = performance.now();
    const closing = own.close();
    await Promise.all(streams.map((stream) => stream.ended));
    await closing;
    expect(performance.now() - beganAt).toBeLessThan(NOT_HELD_UP_MS);
  });
});
