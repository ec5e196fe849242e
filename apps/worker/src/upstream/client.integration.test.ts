// The client against raw sockets, which can do what no HTTP framework lets a server do.

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { openUpstream, type Upstream, type UpstreamResult } from './client.ts';
import { prepareRequest, type WireRequest } from './prepare-request.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing.close();
});

/** A server that answers each request's bytes with `answer`; keeps what it got. */
async function serve(
  answer: (socket: Socket, request: string) => void,
): Promise<{ url: string; requests: string[]; server: Server }> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let text = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk.toString();
      const length = /content-length: (\d+)/i.exec(text)?.[1];
      const body = text.split('\r\n\r\n')[1];
      if (length === undefined || body === undefined || Buffer.byteLength(body) < Number(length)) return;
      requests.push(text);
      answer(socket, text);
      text = '';
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, requests, server };
}

function upstreamAt(baseUrl: string, callTimeoutMs = 5_000): Upstream {
  const upstream = openUpstream({ apiKey: 'sk-test', baseUrl, callTimeoutMs });
  open.push(upstream);
  return upstream;
}

function http(status: string, body: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': 'req_1',
    ...headers,
  });
  return `HTTP/1.1 ${status}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

const IMAGE = JSON.stringify({
  created: 1,
  data: [{ b64_json: 'aGVsbG8=' }],
  usage: { input_tokens: 1, output_tokens: 2 },
});
const BODY = { model: 'gpt-image-2', prompt: 'a cat', size: '1024x1024' };

const NO_INPUTS = { images: [], mask: null, markup: null };
const generation = (images: number): WireRequest =>
  prepareRequest(
    { operation: 'generation', body: BODY, images, inputs: NO_INPUTS },
    () => Buffer.alloc(0),
    () => undefined,
  );

/** More than the buffers of a connection hold. */
const largeEdit = (): WireRequest => {
  const image = { sha256: '', content_type: 'image/png', bytes: 0, width: 1, height: 1 };
  const inputs = { ...NO_INPUTS, images: [image] };
  return prepareRequest(
    { operation: 'edit', body: BODY, images: 1, inputs },
    () => Buffer.alloc(30_000_000),
    () => undefined,
  );
};

const errorOf = (result: UpstreamResult) => (result.kind === 'failed' ? result.error : null);

describe('one attempt', () => {
  test('sends the body as it is, with n, and reads bytes, usage, request id and headers', async () => {
    const server = await serve((socket) =>
      socket.end(http('200 OK', IMAGE, { 'x-ratelimit-limit-input-images': '250' })),
    );
    const result = await upstreamAt(server.url).request(generation(2));
    expect(result.kind === 'answered' && result.answer).toMatchObject({
      status: 200,
      requestId: 'req_1',
      usage: { output_tokens: 2 },
      observation: { limits: { images: 250 } },
    });
    const [head, body] = (server.requests[0] ?? '').split('\r\n\r\n');
    expect(head).toMatch(/^POST \/v1\/images\/generations HTTP\/1.1/);
    expect(head).toMatch(/authorization: Bearer sk-test/i);
    expect(JSON.parse(body ?? '')).toEqual({ ...BODY, n: 2 });
  });

  test.each([500, 503, 429, 408, 409])('is never repeated by itself on %d', async (status) => {
    const server = await serve((socket) =>
      socket.end(http(`${status} No`, '{"error":{"message":"no","type":"t","param":null,"code":"c"}}')),
    );
    const result = await upstreamAt(server.url).request(generation(1));
    expect(errorOf(result)).toMatchObject({ status, code: 'c', type: 't', requestId: 'req_1' });
    expect(server.requests).toHaveLength(1);
  });

  test('follows no redirect: key and prompt stay with the operator’s host', async () => {
    const elsewhere = await serve((socket) => socket.end(http('200 OK', IMAGE)));
    const server = await serve((socket) =>
      socket.end(http('307 Go', '', { location: `${elsewhere.url}/images/generations` })),
    );
    expect(errorOf(await upstreamAt(server.url).request(generation(1)))).toMatchObject({
      verdict: 'final',
      status: 307,
    });
    expect(elsewhere.requests).toEqual([]);
  });
});

describe('without a reply', () => {
  test('nobody listening is a retry: nothing was sent', async () => {
    const server = await serve(() => undefined);
    await new Promise((resolve) => server.server.close(resolve));
    expect(errorOf(await upstreamAt(server.url).request(generation(1)))).toMatchObject({
      verdict: 'retry',
      code: 'upstream_unreachable',
    });
  });

  test('an unknown host is a retry', async () => {
    expect(errorOf(await upstreamAt('http://no-such-host.invalid/v1').request(generation(1)))).toMatchObject({
      verdict: 'retry',
    });
  });

  test('a failed TLS handshake is a retry', async () => {
    const server = await serve(() => undefined);
    server.server.on('connection', (socket: Socket) => socket.end('not TLS'));
    expect(errorOf(await upstreamAt(server.url.replace('http:', 'https:')).request(generation(1)))).toMatchObject({
      verdict: 'retry',
    });
  });

  test.each<[string, (socket: Socket) => void]>([
    ['is reset', (socket) => socket.resetAndDestroy()],
    ['is closed', (socket) => socket.destroy()],
    ['takes longer than a call may', (socket) => socket.pause()],
  ])('a connection that %s while the body is being sent is a retry: no whole request has arrived', async (_, end) => {
    const server = await serve(() => undefined);
    server.server.on('connection', (socket: Socket) => socket.once('data', () => end(socket)));
    expect(errorOf(await upstreamAt(server.url, 1_000).request(largeEdit()))).toMatchObject({
      verdict: 'retry',
      code: 'upstream_unreachable',
      message: expect.stringContaining('was not sent whole'),
    });
    expect(server.requests).toEqual([]);
  });

  test.each<[string, (socket: Socket) => void]>([
    ['a reset after the request', (socket) => socket.resetAndDestroy()],
    ['a closed connection after the request', (socket) => socket.end()],
    ['a time-out', () => undefined],
    ['half a body', (socket) => socket.write(http('200 OK', IMAGE).slice(0, -20), () => socket.destroy())],
    ['a body that stops coming', (socket) => void socket.write(http('200 OK', IMAGE).slice(0, -20))],
    ['nonsense instead of HTTP', (socket) => socket.end('hello')],
    ['HTML in a 200', (socket) => socket.end(http('200 OK', '<html>', { 'content-type': 'text/html' }))],
  ])('%s is unknown: it may have been paid', async (_, answer) => {
    const server = await serve(answer);
    const result = await upstreamAt(server.url, 400).request(generation(1));
    expect(errorOf(result)).toMatchObject({ verdict: 'unknown', code: 'outcome_unknown', status: 502 });
    expect(server.requests).toHaveLength(1);
  });

  test('an error page that is no JSON keeps its status and gets a message of our own', async () => {
    const server = await serve((socket) =>
      socket.end(http('502 Bad Gateway', '<html>nginx</html>', { 'content-type': 'text/html' })),
    );
    const error = errorOf(await upstreamAt(server.url).request(generation(1)));
    expect(error).toMatchObject({ verdict: 'retry', status: 502 });
    expect(error?.message).not.toContain('<html>');
  });
});
