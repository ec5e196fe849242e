import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import Fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../http/app.ts';
import { registerBodyTime } from './body-time.ts';

const LIMIT_MS = 200;
let app: App;

beforeAll(async () => {
  app = Fastify();
  registerBodyTime(app, LIMIT_MS);
  app.addContentTypeParser('multipart/form-data', (_request, _body, done) => done(null));
  app.post('/', async () => 'read');
  app.post('/streamed', { config: { isStreamed: true, bodyTimeMs: LIMIT_MS } }, async (request) => text(request.raw));
  app.post('/long', { config: { bodyTimeMs: 60_000 } }, async () => 'read');
  await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => app.close());

async function begin(path: string, type: string) {
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  const arrived = once(app.server, 'request');
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ncontent-length: 4\r\n\r\nab`);
  await arrived;
  return socket;
}

/** Resolves when the server's own limit is over for whatever has arrived so far. */
async function untilLimitIsOver(): Promise<void> {
  const later = await begin('/', 'text/plain');
  expect(await text(later)).toMatch(/^HTTP\/1\.1 400 /);
}

describe('a body that takes too long', () => {
  it('ends its connection', async () => {
    const socket = await begin('/', 'text/plain');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 [^]*connection: close/);
  });

  it('ends it on a route that streams forms, too', async () => {
    const socket = await begin('/streamed', 'text/plain');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 [^]*connection: close/);
  });

  it('has the time its route gives', async () => {
    const socket = await begin('/long', 'text/plain');
    await untilLimitIsOver();
    socket.write('cd');
    const [reply] = (await once(socket, 'data')) as [Buffer];
    expect(reply.toString()).toMatch(/^HTTP\/1\.1 200 [^]*read$/);
    socket.destroy();
  });

  it('does not when it is a form that the route streams', async () => {
    const socket = await begin('/streamed', 'multipart/form-data');
    await untilLimitIsOver();
    socket.write('cd');
    const [reply] = (await once(socket, 'data')) as [Buffer];
    expect(reply.toString()).toMatch(/^HTTP\/1\.1 200 [^]*abcd$/);
    socket.destroy();
  });
});

it('a body that is here in time is answered, as is a request without one', async () => {
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`;
  expect(await (await fetch(url, { method: 'POST', body: 'x' })).text()).toBe('read');
  expect((await fetch(url, { method: 'POST' })).status).toBe(200);
});
