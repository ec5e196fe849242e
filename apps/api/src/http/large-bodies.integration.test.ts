import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, type Socket } from 'node:net';
import Fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { registerErrors } from '../plugins/errors.ts';
import type { App } from './app.ts';
import { buildLargeBodies, type LargeBodies } from './large-bodies.ts';

const MEGABYTE = 1_048_576;
const HEADERS = { 'content-type': 'application/json' };

let app: App;
let url: string;
let bodies: LargeBodies;
let sockets: Socket[];
/** Requests under way, to be answered by the test. */
let waiting: (() => void)[];

beforeEach(async () => {
  [sockets, waiting] = [[], []];
  // One account has half of it.
  bodies = buildLargeBodies(20 * MEGABYTE);
  app = Fastify();
  registerErrors(app, { redis: { status: 'ready' }, logger: { error: () => undefined } } as never);
  app.addHook('onRequest', async (request) => {
    request.account = String(request.headers['x-account'] ?? 'acme');
  });
  await app.register(async (scope: App) => {
    scope.removeAllContentTypeParsers();
    bodies.register(scope);
    scope.post('/', async (request) => {
      const { wait, drop } = request.body as { wait?: boolean; drop?: boolean };
      if (drop === true) bodies.drop(request);
      if (wait === true) await new Promise<void>((resolve) => waiting.push(resolve));
      return { isDropped: request.body === undefined };
    });
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`;
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const go of waiting) go();
  await app.close();
});

const bodyOf = (megabytes: number, fields: object = {}): string =>
  JSON.stringify({ ...fields, filler: 'x'.repeat(megabytes * MEGABYTE) });

async function post(body: string, account = 'acme') {
  const reply = await fetch(url, { method: 'POST', body, headers: { ...HEADERS, 'x-account': account } });
  return { status: reply.status, headers: reply.headers, json: (await reply.json()) as { error?: { code: string } } };
}

/** A request that says how long it is and sends nothing more. */
async function announce(bytes: number, account = 'acme'): Promise<Socket> {
  const arrived = once(app.server, 'request');
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  socket.write(
    `POST / HTTP/1.1\r\nhost: x\r\nx-account: ${account}\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n{`,
  );
  await arrived;
  return socket;
}

describe('large bodies', () => {
  it('are refused for a while when there are too many, by what they say of their length', async () => {
    await announce(6 * MEGABYTE);
    const { status, headers, json } = await post(bodyOf(5));
    expect([status, json.error?.code, headers.get('retry-after')]).toEqual([503, 'unavailable', '5']);
    expect((await post(bodyOf(3))).status).toBe(200);
  });

  it('of one account leave room for those of others, until there is none', async () => {
    await announce(10 * MEGABYTE);
    expect((await post(bodyOf(2))).status).toBe(503);
    expect((await post(bodyOf(2), 'other')).status).toBe(200);
    await announce(9 * MEGABYTE, 'other');
    expect((await post(bodyOf(2), 'third')).status).toBe(503);
  });

  it('are large by their strings alone: millions of values would hold up the process', async () => {
    const { status, json } = await post(`{"filler":[${'{},'.repeat(MEGABYTE)}{}]}`);
    expect([status, json.error?.code]).toEqual([413, 'request_too_large']);
  });

  it('never stand in the way of small ones', async () => {
    await announce(10 * MEGABYTE - 1);
    expect((await post('{}')).status).toBe(200);
  });

  it('are free when their client leaves', async () => {
    const socket = await announce(9 * MEGABYTE);
    socket.destroy();
    await expect.poll(async () => (await post(bodyOf(8))).status).toBe(200);
  });

  it('are free when their route has dropped them, though it is not answered yet', async () => {
    const reply = post(bodyOf(8, { wait: true, drop: true }));
    await expect.poll(() => waiting.length).toBe(1);
    expect((await post(bodyOf(8))).status).toBe(200);
    waiting.pop()?.();
    expect((await reply).json).toEqual({ isDropped: true });
  });

  it('are held until they are answered otherwise', async () => {
    const reply = post(bodyOf(8, { wait: true }));
    await expect.poll(() => waiting.length).toBe(1);
    expect((await post(bodyOf(8))).status).toBe(503);
    waiting.pop()?.();
    await reply;
    expect((await post(bodyOf(8))).status).toBe(200);
  });

  it('are counted when they do not say how long they are', async () => {
    await announce(6 * MEGABYTE);
    const stream = new Blob([bodyOf(5)]).stream();
    const reply = await fetch(url, { method: 'POST', body: stream, headers: HEADERS, duplex: 'half' });
    expect(reply.status).toBe(503);
  });
});
