// Webhooks end to end inside a worker: from the step that ends a job to what a receiver gets, and what follows.
import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newBatchId } from '@darkroom/shared/base/ids.ts';
import type { BatchSpec } from '@darkroom/shared/batches/record.ts';
import { createBatch, moveBatch } from '@darkroom/shared/batches/steps.ts';
import { redeliver } from '@darkroom/shared/webhooks/steps.ts';
import { type Received, startReceiver } from '@darkroom/simulator/webhooks/receiver.ts';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { imageRow } from '../../testing/jobs-by-hand.ts';
import { openWebhookBench, SECRET, type WebhookBench } from '../../testing/webhook-bench.ts';

const QUICK = Array.from({ length: 9 }, () => 20);
const OTHER_SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const SHOP_SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const WAIT = { timeout: 10_000, interval: 10 };

let bench: WebhookBench;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
let hooks: string;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  bench = await openWebhookBench({
    scheduleMs: QUICK,
    timeoutMs: 400,
    lookEveryMs: 20,
    env: { WEBHOOK_SECRET: `${OTHER_SECRET} ${SECRET}`, WEBHOOK_SECRETS: `shop:${SHOP_SECRET}` },
    limits: { threshold: 1_000 },
  });
});
afterAll(() => bench.close());
beforeEach(async () => {
  receiver = await startReceiver();
  hooks = `${receiver.url}/hooks`;
});
afterEach(async () => {
  await receiver.close();
  for (const close of closing.splice(0)) await close();
});

const behave = (behaviour: unknown) =>
  fetch(`${receiver.url}/_sim/behaviour`, { method: 'POST', body: JSON.stringify(behaviour) });

async function received(): Promise<Received[]> {
  const reply = await fetch(`${receiver.url}/_sim/received?since=0`);
  return ((await reply.json()) as { received: Received[] }).received;
}

/** What the receiver has got, once it is so many. */
function untilReceived(count: number): Promise<Received[]> {
  return vi.waitFor(async () => {
    const rows = await received();
    expect(rows.length).toBeGreaterThanOrEqual(count);
    return rows;
  }, WAIT);
}

function untilState(eventId: string, state: string) {
  return vi.waitFor(async () => {
    const delivery = await bench.delivery(eventId);
    expect(delivery?.state).toBe(state);
    return delivery ?? expect.fail();
  }, WAIT);
}

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`;
}

describe('an event', () => {
  test('arrives signed, whole and thin, and openai.webhooks.unwrap takes it', async () => {
    const eventId = await bench.run(hooks);
    const [row] = await untilReceived(1);
    expect(row?.headers).toMatchObject({ 'content-type': 'application/json', 'webhook-id': eventId });
    const event = await new OpenAI({ apiKey: 'none' }).webhooks.unwrap(row?.rawBody ?? '', row?.headers, SECRET);
    expect(event).toMatchObject({
      id: eventId,
      object: 'event',
      type: 'job.completed',
      sequence: 2,
      data: { object: 'job', status: 'completed', metadata: { order: '42' }, images: [{ index: 0, width: 1_024 }] },
    });
    expect(row?.rawBody).not.toContain('secret cat');
    const { data } = event as unknown as { data: { images: { url: string; url_expires_at: number }[] } };
    expect(data.images[0]?.url).toMatch(/^https:\/\/darkroom\.test\/v1\/images\/img_.*_0\/content\?exp=\d+&sig=/);
    const days = ((data.images[0]?.url_expires_at ?? 0) - Date.now() / 1_000) / 86_400;
    expect(days).toBeGreaterThan(6.99);
    expect(days).toBeLessThan(7.01);
    expect(await untilState(eventId, 'delivered')).toMatchObject({ tries: 1, log: [{ status: 200, error: null }] });
  });

  test('carries a signature for each of two secrets while they rotate', async () => {
    await bench.run(hooks);
    const [row] = await untilReceived(1);
    expect(String(row?.headers['webhook-signature']).split(' ')).toHaveLength(2);
    for (const secret of [SECRET, OTHER_SECRET]) {
      await new OpenAI({ apiKey: 'none' }).webhooks.unwrap(row?.rawBody ?? '', row?.headers, secret);
    }
  });

  test("is signed with its account's own secret", async () => {
    await bench.end(await bench.submit(hooks, { account: 'shop' }));
    const [row] = await untilReceived(1);
    const client = new OpenAI({ apiKey: 'none' });
    await client.webhooks.unwrap(row?.rawBody ?? '', row?.headers, SHOP_SECRET);
    await expect(client.webhooks.unwrap(row?.rawBody ?? '', row?.headers, SECRET)).rejects.toThrow();
  });

  test('is never sent unsigned: without a secret there is no request', async () => {
    const id = await bench.submit(hooks, { account: 'nobody' });
    await bench.end(id);
    const delivery = await untilState(`${id.replace('job_', 'evt_')}_2`, 'failed');
    expect(delivery.log.map(({ error }) => error)).toEqual(Array(10).fill('no_secret'));
    expect(await received()).toEqual([]);
  });

  test('is sent only when the webhook wants it; images come one by one if asked for', async () => {
    const events = ['image.completed', 'job.failed'];
    const id = await bench.submit(hooks, { calls: [[0], [1]], webhook: { url: hooks, events } });
    await bench.end(id, 0);
    await bench.end(id, 1);
    await bench.run(`${receiver.url}/later`);
    const rows = await untilReceived(3);
    const ours = rows.filter(({ path }) => path === '/hooks').map(({ body }) => body as Record<string, unknown>);
    expect(ours.map(({ type }) => type)).toEqual(['image.completed', 'image.completed']);
    expect(ours.map(({ data }) => data)).toMatchObject([
      { job_id: id, index: 0, sha256: imageRow(0).sha256 },
      { job_id: id, index: 1 },
    ]);
    expect(rows.map(({ rawBody }) => rawBody).join('')).not.toContain('revised_prompt');
  });

  test('of a failed job tells why, and stays below 20 kB whatever the upstream said', async () => {
    const calls = Array.from({ length: 10 }, (_, index) => [index]);
    const metadata = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`key-${i}`, 'v'.repeat(490)]));
    const id = await bench.submit(hooks, { calls, metadata });
    for (const [call] of calls.entries()) await bench.end(id, call, `blocked ${'because '.repeat(300)}`);
    const [row] = await untilReceived(1);
    expect(Buffer.byteLength(row?.rawBody ?? '')).toBeLessThan(20_000);
    const { data } = JSON.parse(row?.rawBody ?? '{}') as {
      data: { errors: { index: number; message: string }[]; metadata: unknown };
    };
    expect(data.metadata).toEqual(metadata);
    expect(data.errors.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(data.errors[0]?.message).toMatch(/^blocked because .*…$/);
  });
});

describe('an event of a batch', () => {
  test('carries the batch; of thousands of problems the first ten, and says that there are more', async () => {
    const spec: BatchSpec = {
      account: 'default',
      endpoint: '/v1/images/generations',
      inputFileId: 'file-1',
      inputKey: 'inputs/file-1',
      completionWindow: '24h',
      windowMs: 86_400_000,
      onInvalid: 'reject',
      priority: 'low',
      metadata: { order: '42' },
      webhook: { url: hooks, events: ['batch.failed'] },
    };
    const id = newBatchId();
    const problem = { code: 'invalid_value', line: 1, message: 'Invalid value.', param: 'body.size' };
    const problems = Array.from({ length: 2_000 }, (_, line) => ({ ...problem, line }));
    await createBatch(bench.steps, id, spec, null);
    await moveBatch(bench.steps, { id, run: 1 }, 'validating', 'failed', { problems: JSON.stringify(problems) });
    const [row] = await untilReceived(1);
    expect(row?.headers['webhook-id']).toMatch(/^evt_[0-9a-z]{26}_\d+$/);
    expect(Buffer.byteLength(row?.rawBody ?? '')).toBeLessThan(20_000);
    expect(row?.body).toMatchObject({
      type: 'batch.failed',
      data: { id, object: 'batch', status: 'failed', errors: { data: problems.slice(0, 10), has_more: true } },
    });
  });
});

describe('a try that fails', () => {
  test.each([300, 301, 302, 307, 400, 401, 404, 429, 500, 503])(
    'with %i is made again, and follows nowhere',
    async (status) => {
      const trap = await startReceiver();
      closing.push(() => trap.close());
      await behave({ status, count: 2, headers: { location: `${trap.url}/elsewhere` } });
      const eventId = await bench.run(hooks);
      const { log } = await untilState(eventId, 'delivered');
      expect(log.map((row) => row.status)).toEqual([status, status, 200]);
      const seen = await (await fetch(`${trap.url}/_sim/received?since=0`)).json();
      expect(seen).toMatchObject({ received: [] });
    },
  );

  test('is made again with the very same body and id, a fresh time and signature', async () => {
    await behave({ status: 500, count: 3 });
    await untilState(await bench.run(hooks), 'delivered');
    const rows = await received();
    expect(rows).toHaveLength(4);
    expect(new Set(rows.map(({ rawBody }) => rawBody)).size).toBe(1);
    expect(new Set(rows.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    for (const { rawBody, headers } of rows)
      await new OpenAI({ apiKey: 'none' }).webhooks.unwrap(rawBody, headers, SECRET);
  });

  test('with 410 is the last', async () => {
    await behave({ status: 410 });
    const delivery = await untilState(await bench.run(hooks), 'gone');
    expect([delivery.tries, delivery.nextAt]).toEqual([1, null]);
  });

  test('ten times is given up; the log names each try', async () => {
    await behave({ status: 500 });
    const delivery = await untilState(await bench.run(hooks), 'failed');
    expect(delivery.log).toHaveLength(10);
    expect(delivery.nextAt).toBeNull();
  });

  test('with retry-after is not repeated before', async () => {
    await behave({ status: 429, count: 1, headers: { 'retry-after': '1' } });
    await untilState(await bench.run(hooks), 'delivered');
    const [first, second] = await received();
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1_000);
  });

  test.each([
    ['a receiver that never answers', { hang: true, count: 1 }, 'timeout'],
    ['a connection reset', { reset: true, count: 1 }, 'network'],
  ])('by %s is made again', async (_, behaviour, error) => {
    await behave(behaviour);
    const { log } = await untilState(await bench.run(hooks), 'delivered');
    expect(log.map((row) => [row.status, row.error])).toEqual([
      [null, error],
      [200, null],
    ]);
  });

  test('by a reply that drips for ever ends with the time limit', async () => {
    let requests = 0;
    const url = await serve((_request, reply) => {
      requests += 1;
      if (requests > 1) return reply.end();
      const timer = setInterval(() => reply.write('.'), 10);
      return reply.on('close', () => clearInterval(timer));
    });
    const { log } = await untilState(await bench.run(url), 'delivered');
    expect(log.map((row) => row.error)).toEqual(['timeout', null]);
    expect(log[0]?.ms).toBeLessThan(1_500);
  });

  test('by nobody listening is one like any other', async () => {
    const url = await serve((_request, reply) => reply.end());
    await closing.pop()?.();
    const { log } = await untilState(await bench.run(url), 'failed');
    expect(log.map((row) => row.error)).toEqual(Array(10).fill('network'));
  });
});

describe('a huge or compressed reply', () => {
  test.each([
    ['huge', {}],
    ['compressed, though not asked for', { 'content-encoding': 'gzip' }],
  ])('that is %s counts by its status, and little of it is read', async (_, headers) => {
    let written = 0;
    const url = await serve((request, reply) => {
      request.resume();
      reply.writeHead(200, headers);
      const chunk = Buffer.alloc(65_536);
      const pour = (): void => {
        while (!reply.destroyed && written < 200_000_000) {
          written += chunk.length;
          if (!reply.write(chunk)) return void reply.once('drain', pour);
        }
        reply.end();
      };
      pour();
    });
    expect((await untilState(await bench.run(url), 'delivered')).tries).toBe(1);
    expect(written).toBeLessThan(50_000_000);
  });
});

describe('the guard', () => {
  test.each(['http://127.0.0.2', 'http://[::1]', 'http://2130706434', 'https://127.0.0.2'])(
    'keeps webhooks from %s: no connection is made',
    async (origin) => {
      let connections = 0;
      const server = createServer((_request, reply) => reply.end());
      server.on('connection', () => {
        connections += 1;
      });
      const host = origin.includes('::1') ? '::1' : '127.0.0.2';
      await new Promise<void>((resolve) => server.listen(0, host, resolve));
      closing.push(() => new Promise((resolve) => server.close(() => resolve())));
      const eventId = await bench.run(`${origin}:${(server.address() as AddressInfo).port}/`);
      const { log } = await untilState(eventId, 'failed');
      expect(log.map(({ error }) => error)).toEqual(Array(10).fill('blocked'));
      expect(connections).toBe(0);
    },
  );
});

describe('redelivery', () => {
  test('sends the same body under the same id', async () => {
    const eventId = await bench.run(hooks);
    await untilState(eventId, 'delivered');
    expect(await redeliver(bench.server.redis, bench.steps.keys, 'default', eventId)).toBe(true);
    const [first, second] = await untilReceived(2);
    expect(second?.rawBody).toBe(first?.rawBody);
    expect(second?.headers['webhook-id']).toBe(eventId);
    expect(await untilState(eventId, 'delivered')).toMatchObject({ tries: 2 });
  });
});

describe('what an operator sees', () => {
  test('is one line a try, with the host and never the path, the body or a secret', async () => {
    const eventId = await bench.run(`${hooks}?token=hunter2`);
    await untilState(eventId, 'delivered');
    const lines = await vi.waitFor(() => {
      const found = bench.lines.filter((line) => line.includes(eventId));
      expect(found).toHaveLength(1);
      return found;
    }, WAIT);
    const { host } = new URL(hooks);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ eventId, host, status: 200, ms: expect.any(Number) });
    expect(bench.lines.join('')).not.toMatch(/hunter2|whsec_[A-Za-z0-9]|secret cat/);
  });

  test('is counted', async () => {
    await untilState(await bench.run(hooks), 'delivered');
    await vi.waitFor(async () => {
      const text = await bench.metrics.registry.metrics();
      expect(text).toMatch(/darkroom_webhook_deliveries_total\{outcome="delivered"\} [1-9]/);
      expect(text).toMatch(/darkroom_webhook_delivery_duration_seconds_count\{outcome="delivered"\} [1-9]/);
    }, WAIT);
  });

  test('holds no secret in Redis', async () => {
    await untilState(await bench.run(hooks), 'delivered');
    const dump: string[] = [];
    for await (const keys of bench.server.redis.scanStream({ match: `*${bench.server.prefix}*`, count: 1_000 })) {
      for (const key of keys as string[]) {
        const type = await bench.server.redis.type(key);
        if (type === 'hash') dump.push(JSON.stringify(await bench.server.redis.hgetall(key)));
        if (type === 'string') dump.push((await bench.server.redis.get(key)) ?? '');
      }
    }
    expect(dump.length).toBeGreaterThan(2);
    for (const secret of [SECRET, OTHER_SECRET, SHOP_SECRET]) expect(dump.join('')).not.toContain(secret.slice(6));
  });
});
