// The client against raw sockets, which can do what no HTTP framework lets a server do.

import type { Socket } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { rawReply as http, type RawUpstream, startRawUpstream } from '../testing/raw-upstream.ts';
import { openUpstream, type Upstream, type UpstreamResult } from './client.ts';
import { prepareRequest, type WireRequest } from './prepare-request.ts';

/** As in client.ts. */
const READERS = 8;

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing.close();
});

async function serve(answer: (socket: Socket, request: string) => void): Promise<RawUpstream> {
  const server = await startRawUpstream(answer);
  open.push(server);
  return server;
}

function upstreamAt(baseUrl: string, callTimeoutMs = 5_000): Upstream {
  const upstream = openUpstream({ apiKey: 'sk-test', baseUrl, callTimeoutMs });
  open.push(upstream);
  return upstream;
}

const IMAGE = JSON.stringify({
  created: 1,
  data: [{ b64_json: 'aGVsbG8=' }],
  usage: { input_tokens: 1, output_tokens: 2 },
});
/** Where the image breaks off. */
const HALF = http('200 OK', IMAGE).indexOf('G8=');
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

  test('does not go out once its time to be sent is over, though a connection is there', async () => {
    const server = await serve((socket) => socket.end(http('200 OK', IMAGE)));
    const upstream = upstreamAt(server.url);
    expect(await upstream.request(generation(1), performance.now())).toEqual({ kind: 'late' });
    expect((await upstream.request(generation(2), performance.now() + 60_000)).kind).toBe('answered');
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]).toContain('"n":2');
  });

  test.each([500, 503, 429, 408, 409])('is never repeated by itself on %d', async (status) => {
    const server = await serve((socket) =>
      socket.end(http(`${status} No`, '{"error":{"message":"no","type":"t","param":null,"code":"c"}}')),
    );
    const result = await upstreamAt(server.url).request(generation(1));
    expect(errorOf(result)).toMatchObject({ status, code: 'c', type: 't', requestId: 'req_1' });
    expect(server.requests).toHaveLength(1);
  });

  test('has a connection of its own: HTTP/2, which sends again and loses all calls at once, is not offered', async () => {
    const server = await serve(() => undefined);
    const hello = new Promise<string>((resolve) => {
      server.server.on('connection', (socket: Socket) =>
        socket.once('data', (chunk) => {
          resolve(chunk.toString('latin1'));
          socket.destroy();
        }),
      );
    });
    await upstreamAt(server.url.replace('http:', 'https:')).request(generation(1));
    // The list of protocols (RFC 7301): one name of 8 letters, and no second.
    expect(await hello).toContain('\0\x09\x08http/1.1');
  });

  test.each([401, 200])('hides its key where a %d repeats it, whatever the key looks like', async (status) => {
    const apiKey = 'gw_live.9f8e+7d6c/5b4a=';
    const server = await serve((socket) =>
      socket.end(http(`${status} No`, JSON.stringify({ error: { message: `Not a key: ${apiKey}.` } }))),
    );
    const upstream = openUpstream({ apiKey, baseUrl: server.url, callTimeoutMs: 5_000 });
    open.push(upstream);
    expect(errorOf(await upstream.request(generation(1)))?.message).toContain('Not a key: ….');
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

const large = (fill: number): Buffer => Buffer.alloc(1_500_000, Buffer.from([fill, 1, 2, 3, 255]));
const bytesOf = (result: UpstreamResult) => {
  const image = result.kind === 'answered' ? result.answer.images[0] : undefined;
  return image?.kind === 'bytes' ? image.bytes : null;
};
const replyOf = (bytes: Buffer): string => JSON.stringify({ data: [{ b64_json: bytes.toString('base64') }] });

describe('a reply', () => {
  test.each([
    ['has its length', (body: string) => http('200 OK', body)],
    ['ends with its connection', (body: string) => `HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${body}`],
    [
      'comes in pieces after early hints',
      (body: string) =>
        `HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    ],
  ])('that %s arrives whole, among more than are read at a time', async (_, answer) => {
    let served = 0;
    const server = await serve((socket) => {
      served += 1;
      socket.end(answer(replyOf(large(served))));
    });
    const upstream = upstreamAt(server.url);
    const results = await Promise.all(Array.from({ length: 20 }, () => upstream.request(generation(1))));
    const images = results.map((result) => bytesOf(result)).sort((a, b) => (a?.[0] ?? 0) - (b?.[0] ?? 0));
    expect(images.map((image, index) => image?.equals(large(index + 1)))).toEqual(images.map(() => true));
  });

  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ])('that is %s though nobody asked for it is read all the same', async (encoding, compress) => {
    const body = compress(replyOf(large(1)));
    const head = `HTTP/1.1 200 OK\r\ncontent-encoding: ${encoding}\r\ncontent-length: ${body.length}\r\n\r\n`;
    const server = await serve((socket) => socket.end(Buffer.concat([Buffer.from(head), body])));
    const result = await upstreamAt(server.url).request(generation(1));
    expect(bytesOf(result)?.equals(large(1))).toBe(true);
    expect(server.requests[0]).toMatch(/accept-encoding: identity/i);
  });

  test.each([
    ['says it is longer', `HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n${IMAGE}`],
    [
      'lacks its last chunk',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${IMAGE.length.toString(16)}\r\n${IMAGE}\r\n`,
    ],
  ])('that %s but is whole JSON counts: its images are here and paid', async (_, reply) => {
    const server = await serve((socket) => socket.end(reply));
    expect(bytesOf(await upstreamAt(server.url).request(generation(1)))?.toString()).toBe('hello');
  });

  test('in an encoding nobody knows is unknown: it may have been paid', async () => {
    const server = await serve((socket) => socket.end(http('200 OK', IMAGE, { 'content-encoding': 'secret' })));
    expect(errorOf(await upstreamAt(server.url).request(generation(1)))).toMatchObject({
      verdict: 'unknown',
      requestId: 'req_1',
    });
  });

  test('with another status counts by its status though its body breaks off', async () => {
    const body = '{"error":{"message":"no","code":"c"}}';
    const server = await serve((socket) =>
      socket.write(http('429 No', body).slice(0, -5), () => socket.resetAndDestroy()),
    );
    expect(errorOf(await upstreamAt(server.url).request(generation(1)))).toMatchObject({
      verdict: 'later',
      status: 429,
    });
  });
});

describe('replies that stall', () => {
  test.each<[string, (reply: string) => number]>([
    ['after their heads', (reply) => reply.indexOf('{')],
    ['half-way', (reply) => reply.length / 2],
  ])('%s don’t keep another from being read, and are whole when they go on', async (_, stallsAt) => {
    const goOn: (() => void)[] = [];
    const server = await serve((socket) => {
      const reply = http('200 OK', replyOf(large(goOn.length)));
      if (goOn.length === READERS) return socket.end(reply);
      socket.write(reply.slice(0, stallsAt(reply)));
      goOn.push(() => socket.end(reply.slice(stallsAt(reply))));
    });
    const upstream = upstreamAt(server.url, 15_000);
    const stalled = Array.from({ length: READERS }, () => upstream.request(generation(1)));
    await expect.poll(() => goOn.length).toBe(READERS);
    const first = await Promise.race([upstream.request(generation(1)), ...stalled]);
    expect(bytesOf(first)?.equals(large(READERS))).toBe(true);
    for (const send of goOn) send();
    const images = (await Promise.all(stalled)).map((result) => bytesOf(result));
    for (const [index] of images.entries()) expect(images.some((image) => image?.equals(large(index)))).toBe(true);
  });
});

describe('a reply that is here when the time is over', () => {
  /** A reply that comes steadily, and far too slowly for its length. */
  const flow = (socket: Socket): void => {
    const some = ' '.repeat(32_768);
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n${some}`);
    const timer = setInterval(() => socket.write(some), 100);
    socket.on('close', () => clearInterval(timer));
  };

  const inPieces = (socket: Socket, rest: string): void => {
    let at = 0;
    const timer = setInterval(() => {
      socket.write(rest.slice(at, (at += 250_000)));
      if (at >= rest.length) socket.end();
    }, 100);
    socket.on('close', () => clearInterval(timer)).on('finish', () => clearInterval(timer));
  };

  /** A reply that comes byte by byte. */
  const drip = (socket: Socket): void => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n');
    const timer = setInterval(() => socket.write(' '), 100);
    socket.on('close', () => clearInterval(timer));
  };

  test.each([
    ['until then', 600, IMAGE],
    ['for far longer', 4_000, IMAGE],
    ['for far longer, and is not here whole', 4_000, replyOf(large(1))],
  ])('is read, though the process stood still %s', async (_, stillMs, body) => {
    const server = await serve((socket) => {
      socket.end(http('200 OK', body));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stillMs);
    });
    expect((await upstreamAt(server.url, 400).request(generation(1))).kind).toBe('answered');
  });

  test.each([
    ['has its length', http('200 OK', replyOf(large(1)))],
    ['ends with its connection', `HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${replyOf(large(1))}`],
  ])('and %s is read once one of the readers is free, and may take its time', async (_, reply) => {
    const others: Socket[] = [];
    const server = await serve((socket) => {
      if (others.length < READERS) {
        others.push(socket);
        return flow(socket);
      }
      socket.write(reply.slice(0, 1_000_000));
      others[0]?.on('close', () => inPieces(socket, reply.slice(1_000_000)));
    });
    const upstream = upstreamAt(server.url, 600);
    const slow = Array.from({ length: READERS }, () => upstream.request(generation(1)));
    await expect.poll(() => server.requests.length).toBe(READERS);
    expect(bytesOf(await upstream.request(generation(1)))?.equals(large(1))).toBe(true);
    expect((await Promise.all(slow)).map(({ kind }) => kind)).toEqual(slow.map(() => 'failed'));
  });

  test('goes on while it is coming, but not for ever', async () => {
    const server = await serve(drip);
    const startedAt = performance.now();
    expect(errorOf(await upstreamAt(server.url, 1_500).request(generation(1)))).toMatchObject({ verdict: 'unknown' });
    expect(performance.now() - startedAt).toBeGreaterThan(3_000);
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
    ['half an image', (socket) => socket.write(http('200 OK', IMAGE).slice(0, HALF), () => socket.destroy())],
    ['an image that stops coming', (socket) => void socket.write(http('200 OK', IMAGE).slice(0, HALF))],
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
