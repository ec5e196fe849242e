// Refreshers against the simulator, and against servers no OpenAI would be, on a real Redis.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Keys, keysOf } from '@darkroom/shared/base/keys.ts';
import { readLearnedModels } from '@darkroom/shared/models/learned.ts';
import { MODELS } from '@darkroom/shared/models/rules.ts';
import { createLogger } from '@darkroom/shared/telemetry/logger.ts';
import { startUpstream } from '@darkroom/simulator/openai/server.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RefreshDeps, refreshShutdownDates, startRefreshingShutdownDates } from './refresh-shutdown-dates.ts';

const API_KEY = 'sk-refresh-0123456789abcdef';
const DAY_MS = 86_400_000;
const ASKED = MODELS.filter(({ status }) => status !== 'retired').map(({ id }) => `/v1/models/${id}`);
const FROM_DATA = {
  'gpt-image-1-mini': '2026-12-01',
  'gpt-image-1.5': '2026-12-01',
  'chatgpt-image-latest': '2026-12-01',
};

let server: TestRedis;
let keys: Keys;
let lines: { level: string; msg: string; [field: string]: unknown }[];
let count = 0;
const opened: { close(): unknown }[] = [];

beforeAll(async () => {
  server = await openTestRedis();
});
beforeEach(() => {
  keys = keysOf(`${server.prefix}-${(count += 1)}`);
  lines = [];
});
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
});
afterAll(() => server.close());

/** What one worker has. */
function workerAt(baseUrl: string): RefreshDeps {
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return {
    redis: server.redis,
    keys,
    log: createLogger({ name: 'worker', level: 'debug', destination }),
    config: { OPENAI_KEYS_FILE: null, OPENAI_API_KEY: API_KEY, OPENAI_BASE_URL: baseUrl, LIMITS: {} },
  };
}

/** A server of one's own; `asked`: paths in the order they came. */
async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const http = createServer((request, response) => {
    asked.push(request.url ?? '');
    void answer(request, response);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  opened.push({
    close: () => {
      http.closeAllConnections();
      http.close();
    },
  });
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/v1`, asked };
}

/** The simulator, seen through a server that notes who asks for what. */
async function simulate(): Promise<{ url: string; asked: string[]; tell(dates: object): Promise<void> }> {
  const simulator = await startUpstream({ apiKeys: [API_KEY], latencyScale: 0, today: '2026-11-22' });
  opened.push(simulator);
  const front = await serve(async (request, response) => {
    const headers = { authorization: request.headers.authorization ?? '' };
    const reply = await fetch(`${simulator.url}${request.url}`, { headers });
    response.writeHead(reply.status, { 'content-type': reply.headers.get('content-type') ?? '' });
    response.end(await reply.text());
  });
  return {
    ...front,
    async tell(shutdownDates) {
      const body = JSON.stringify({ shutdownDates });
      expect((await fetch(`${simulator.url}/_sim/settings`, { method: 'POST', body })).status).toBe(200);
    },
  };
}

const refresh = (worker: RefreshDeps) => refreshShutdownDates(worker, new AbortController().signal);
const learned = async () => Object.fromEntries((await readLearnedModels(server.redis, keys)).shutdownDates);
const warnings = () => lines.filter(({ level }) => level === 'warn');
/** As if the time until the next round were over. */
const letADayPass = () => server.redis.del(keys.shutdownDatesAsked);

describe('with the simulator', () => {
  test('keeps the days it is told, and warns of those that are news', async () => {
    const upstream = await simulate();
    await upstream.tell({ 'gpt-image-1.5': '2027-02-01', 'gpt-image-2': '2027-03-01' });
    await refresh(workerAt(upstream.url));
    expect(upstream.asked).toEqual(ASKED);
    expect(await learned()).toEqual({ ...FROM_DATA, 'gpt-image-1.5': '2027-02-01', 'gpt-image-2': '2027-03-01' });
    expect(warnings().map(({ model, shutdownDate, before }) => [model, shutdownDate, before])).toEqual([
      ['gpt-image-1.5', '2027-02-01', '2026-12-01'],
      ['gpt-image-2', '2027-03-01', null],
    ]);
  });

  test('a changed day replaces the one learned before; none takes nothing back', async () => {
    const upstream = await simulate();
    const worker = workerAt(upstream.url);
    await upstream.tell({ 'gpt-image-2': '2027-03-01' });
    await refresh(worker);
    await letADayPass();
    await upstream.tell({ 'gpt-image-2': '2027-04-01', 'gpt-image-1.5': null });
    await refresh(worker);
    expect(await learned()).toEqual({ ...FROM_DATA, 'gpt-image-2': '2027-04-01' });
    await letADayPass();
    await upstream.tell({ 'gpt-image-2': null, 'gpt-image-1.5': null });
    await refresh(worker);
    expect(await learned()).toEqual({ ...FROM_DATA, 'gpt-image-2': '2027-04-01' });
    expect(warnings().map(({ model, before }) => [model, before])).toEqual([
      ['gpt-image-2', null],
      ['gpt-image-2', '2027-03-01'],
    ]);
  });

  test('three workers at once ask once a day, and so do those that come later', async () => {
    const upstream = await simulate();
    await Promise.all([1, 2, 3].map(() => refresh(workerAt(upstream.url))));
    await refresh(workerAt(upstream.url));
    expect(upstream.asked).toEqual(ASKED);
    const leftMs = await server.redis.pttl(keys.shutdownDatesAsked);
    expect(leftMs).toBeGreaterThan(DAY_MS - 60_000);
    expect(leftMs).toBeLessThanOrEqual(DAY_MS);
    await letADayPass();
    await Promise.all([1, 2, 3].map(() => refresh(workerAt(upstream.url))));
    expect(upstream.asked).toEqual([...ASKED, ...ASKED]);
  });

  test('started on several workers it asks at once, and again when it is time', async () => {
    const upstream = await simulate();
    const running = [1, 2, 3].map(() => startRefreshingShutdownDates(workerAt(upstream.url), 10));
    await expect.poll(() => server.redis.get(keys.shutdownDatesAsked)).toBe('asked');
    expect(upstream.asked).toEqual(ASKED);
    await letADayPass();
    await expect.poll(() => upstream.asked.length).toBe(2 * ASKED.length);
    await expect.poll(() => server.redis.get(keys.shutdownDatesAsked)).toBe('asked');
    await Promise.all(running.map((one) => one.stop()));
    expect(upstream.asked).toEqual([...ASKED, ...ASKED]);
  });

  test('a refused key changes nothing and stands in no line of the log', async () => {
    const upstream = await simulate();
    const worker = workerAt(upstream.url);
    await refresh({ ...worker, config: { ...worker.config, OPENAI_API_KEY: 'sk-wrong-0123456789abcdef' } });
    expect(await learned()).toEqual({});
    expect(await server.redis.keys(`*{${server.prefix}-${count}}*`)).toEqual([keys.shutdownDatesAsked]);
    expect(JSON.stringify(lines)).not.toContain('sk-wrong');
    expect(lines.every(({ level }) => level === 'debug')).toBe(true);
  });
});

describe('of an upstream that is no OpenAI', () => {
  const model = (more: object) => JSON.stringify({ id: 'x', object: 'model', created: 0, owned_by: 'x', ...more });
  test.each<[string, number, string, string]>([
    ['has no such field', 200, 'application/json', model({})],
    ['gives null', 200, 'application/json', model({ shutdown_date: null })],
    ['gives a text that is no day', 200, 'application/json', model({ shutdown_date: 'soon' })],
    ['gives a day there is not', 200, 'application/json', model({ shutdown_date: '2027-02-29' })],
    ['gives a moment', 200, 'application/json', model({ shutdown_date: '2027-03-01T00:00:00Z' })],
    ['gives a number', 200, 'application/json', model({ shutdown_date: 1_803_859_200 })],
    ['gives a day on which the model was seen alive', 200, 'application/json', model({ shutdown_date: '1970-01-01' })],
    ['gives a list', 200, 'application/json', '[]'],
    ['gives null alone', 200, 'application/json', 'null'],
    ['gives broken JSON', 200, 'application/json', '{"shutdown_date": "2027-03-01"'],
    ['gives HTML', 200, 'text/html', '<html>"shutdown_date": "2027-03-01"</html>'],
    ['gives nothing', 204, 'application/json', ''],
    ['gives far too much', 200, 'application/json', model({ shutdown_date: '2027-03-01', x: 'x'.repeat(1_000_000) })],
    ['does not know the route', 404, 'text/html', 'Not Found'],
    ['does not know the model', 404, 'application/json', '{"error":{"code":"model_not_found"}}'],
    ['is limited', 429, 'application/json', '{"error":{"message":"Rate limit reached"}}'],
    ['is broken', 500, 'text/plain', 'oops'],
  ])('that %s nothing is learned, and each model is asked for once', async (_, status, type, body) => {
    const upstream = await serve((_request, response) => {
      response.writeHead(status, { 'content-type': type });
      response.end(body);
    });
    await refresh(workerAt(upstream.url));
    expect(await readLearnedModels(server.redis, keys)).toEqual({ retired: new Set(), shutdownDates: new Map() });
    expect(upstream.asked).toEqual(ASKED);
    expect(warnings()).toEqual([]);
    expect(await server.redis.get(keys.shutdownDatesAsked)).toBe('asked');
  });

  test('a redirect is not followed: the key goes nowhere else', async () => {
    const elsewhere = await serve((_request, response) => response.end(model({ shutdown_date: '2027-03-01' })));
    const upstream = await serve((request, response) => {
      response.writeHead(302, { location: `${elsewhere.url}${request.url}` });
      response.end();
    });
    await refresh(workerAt(upstream.url));
    expect(elsewhere.asked).toEqual([]);
    expect(await learned()).toEqual({});
  });

  test('one broken answer does not hide the others', async () => {
    const upstream = await serve((request, response) => {
      if (request.url?.endsWith('/gpt-image-1.5')) return response.destroy();
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(model({ shutdown_date: '2027-03-01' }));
    });
    await refresh(workerAt(upstream.url));
    const told = await learned();
    expect(told['gpt-image-2']).toBe('2027-03-01');
    expect(told['gpt-image-1.5']).toBeUndefined();
  });

  test('one that is down is asked again after an hour, once', async () => {
    const gone = await serve(() => undefined);
    for (const one of opened.splice(0)) await one.close();
    await refresh(workerAt(gone.url));
    await refresh(workerAt(gone.url));
    expect(await learned()).toEqual({});
    expect(lines.filter(({ level }) => level === 'info')).toHaveLength(ASKED.length);
    const leftMs = await server.redis.pttl(keys.shutdownDatesAsked);
    expect(leftMs).toBeGreaterThan(3_500_000);
    expect(leftMs).toBeLessThanOrEqual(3_600_000);
  });
});

describe('a worker that ends while it asks', () => {
  test('stops without waiting for the answer, and another goes on after minutes, not a day', async () => {
    const upstream = await serve(() => undefined); // never answers
    const running = startRefreshingShutdownDates(workerAt(upstream.url));
    await expect.poll(() => upstream.asked).toEqual(ASKED.slice(0, 1));
    await running.stop();
    expect(upstream.asked).toEqual(ASKED.slice(0, 1));
    const leftMs = await server.redis.pttl(keys.shutdownDatesAsked);
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(5 * 60_000);
  });
});
