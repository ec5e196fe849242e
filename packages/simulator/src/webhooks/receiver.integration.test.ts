import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Received, startReceiver } from './receiver.ts';

let receiver: Awaited<ReturnType<typeof startReceiver>>;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());
beforeEach(async () => {
  await call('DELETE', '/_sim/received');
  await call('DELETE', '/_sim/behaviour');
});

const call = (method: string, path: string, body?: string, more: RequestInit = {}) =>
  fetch(receiver.url + path, { method, ...(body === undefined ? {} : { body }), ...more });
const behave = (behaviour: unknown) => call('POST', '/_sim/behaviour', JSON.stringify(behaviour));
const received = async (since = 0) => {
  const reply = await call('GET', `/_sim/received?since=${since}`);
  return (await reply.json()) as { seq: number; received: Received[] };
};

test('records path, headers, parsed and raw body, and answers 200', async () => {
  const reply = await call('POST', '/hooks/a?x=1', '{"b": 1}', { headers: { 'webhook-id': 'evt_1' } });
  expect(reply.status).toBe(200);
  const first = await received();
  expect(first.received).toMatchObject([
    { path: '/hooks/a', headers: { 'webhook-id': 'evt_1' }, body: { b: 1 }, rawBody: '{"b": 1}', status: 200 },
  ]);
  await call('POST', '/hooks/b', 'not json');
  expect((await received(first.seq)).received).toMatchObject([{ path: '/hooks/b', body: null, rawBody: 'not json' }]);
});

test('answers as told, for one path, so many times', async () => {
  await behave({ path: '/a', status: 503, headers: { 'retry-after': '7' }, count: 2 });
  const replies = [
    await call('POST', '/a'),
    await call('POST', '/b'),
    await call('POST', '/a'),
    await call('POST', '/a'),
  ];
  expect(replies.map((reply) => reply.status)).toEqual([503, 200, 503, 200]);
  expect(replies[0]?.headers.get('retry-after')).toBe('7');
});

test('can delay, cut and hang; the request is recorded all the same', async () => {
  await behave({ path: '/late', delayMs: 30, status: 204 });
  await behave({ path: '/cut', reset: true });
  await behave({ path: '/hang', hang: true });
  const start = Date.now();
  expect((await call('POST', '/late')).status).toBe(204);
  expect(Date.now() - start).toBeGreaterThanOrEqual(29);
  await expect(call('POST', '/cut')).rejects.toThrow('fetch failed');
  await expect(call('POST', '/hang', '', { signal: AbortSignal.timeout(50) })).rejects.toThrow(/abort|timeout/i);
  expect((await received()).received.map((row) => [row.path, row.status])).toEqual([
    ['/late', 204],
    ['/cut', null],
    ['/hang', null],
  ]);
});

test('refuses what it does not know', async () => {
  expect((await behave({ colour: 1 })).status).toBe(400);
  expect((await behave([1])).status).toBe(400);
  expect((await call('GET', '/hooks')).status).toBe(405);
  expect((await call('GET', '/_sim/nothing')).status).toBe(404);
  expect((await call('GET', '/_sim/health')).status).toBe(200);
  expect(await (await call('GET', '/_sim/behaviour')).json()).toEqual({ behaviours: [] });
});
