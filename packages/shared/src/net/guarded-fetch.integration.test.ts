import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllowPrivate } from './address.ts';
import { type GuardedAgent, openGuardedAgent } from './guard.ts';
import { type GuardedFetchOptions, guardedFetch } from './guarded-fetch.ts';
import { lookupIn, startServer, type TestServer } from './test-servers.ts';

let agent: GuardedAgent;
let server: TestServer;
let answer: RequestListener;
const seen: IncomingMessage[] = [];

beforeAll(async () => {
  agent = openGuardedAgent({
    allowPrivate: parseAllowPrivate('127.0.0.1'),
    lookup: lookupIn({ 'a.test': ['127.0.0.1'], 'b.test': ['127.0.0.1'] }),
  });
  server = await startServer('http', '127.0.0.1', (request, reply) => {
    seen.push(request);
    answer(request, reply);
  });
});

afterAll(async () => {
  await agent.close();
  await server.close();
});

function fetchWith(handler: RequestListener, options: Partial<GuardedFetchOptions> = {}, path = '/') {
  answer = handler;
  seen.length = 0;
  const url = `http://a.test:${server.port}${path}`;
  return guardedFetch(agent, url, { maxBytes: 1_000, timeoutMs: 5_000, ...options });
}

const text = (body: string) => (_request: IncomingMessage, reply: ServerResponse) => void reply.end(body);

describe('a reply', () => {
  test('has status, joined lower-case headers, bytes and its address', async () => {
    const reply = await fetchWith((_request, response) => {
      response.writeHead(418, { 'X-One': '1', 'X-Two': ['a', 'b'] }).end('teapot');
    });
    expect(reply).toMatchObject({ status: 418, headers: { 'x-one': '1', 'x-two': 'a, b' } });
    expect(reply.body.toString()).toBe('teapot');
    expect(reply.url).toBe(`http://a.test:${server.port}/`);
  });

  test('comes to the request as it was given, except that compression is refused', async () => {
    let received = '';
    await fetchWith(
      (request, response) => {
        request.on('data', (chunk: Buffer) => {
          received += chunk.toString();
        });
        request.on('end', () => response.end());
      },
      { method: 'POST', body: '{"a":1}', headers: { 'Accept-Encoding': 'gzip', 'Webhook-Id': 'evt_1' } },
    );
    expect(seen[0]?.method).toBe('POST');
    expect(seen[0]?.headers).toMatchObject({ 'accept-encoding': 'identity', 'webhook-id': 'evt_1' });
    expect(received).toBe('{"a":1}');
  });

  test('with a 3xx is final unless redirects are asked for', async () => {
    const reply = await fetchWith((_request, response) => response.writeHead(302, { location: '/there' }).end('moved'));
    expect(reply.status).toBe(302);
    expect(seen).toHaveLength(1);
  });
});

describe('limits', () => {
  test('a body as large as allowed passes, one byte more does not', async () => {
    expect((await fetchWith(text('x'.repeat(1_000)))).body).toHaveLength(1_000);
    await expect(fetchWith(text('x'.repeat(1_001)))).rejects.toMatchObject({ kind: 'too_large' });
  });

  test('a body without a length is counted as it comes, and its connection dropped', async () => {
    const endless: RequestListener = (_request, response) => {
      const push = (): void => {
        if (!response.destroyed) response.write('x'.repeat(500), push);
      };
      push();
    };
    await expect(fetchWith(endless)).rejects.toMatchObject({ kind: 'too_large' });
    const reply = await fetchWith(endless, { onOverflow: 'truncate' });
    expect(reply.body).toHaveLength(1_000);
  });

  test('an announced length may be cut as well', async () => {
    const reply = await fetchWith(text('x'.repeat(5_000)), { onOverflow: 'truncate', maxBytes: 10 });
    expect(reply.body.toString()).toBe('xxxxxxxxxx');
  });

  test('the length a HEAD announces is not a body', async () => {
    const reply = await fetchWith((_request, response) => response.writeHead(200, { 'content-length': '5000' }).end(), {
      method: 'HEAD',
    });
    expect(reply.body).toHaveLength(0);
  });

  test('a compressed body is refused, however small', async () => {
    const bomb = gzipSync(Buffer.alloc(1_000_000));
    const zipped: RequestListener = (_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    await expect(fetchWith(zipped, { maxBytes: 10_000 })).rejects.toMatchObject({ kind: 'encoding' });
  });

  test('a compressed body is left as it came where only the status counts', async () => {
    const bomb = gzipSync(Buffer.alloc(1_000_000));
    const zipped: RequestListener = (_request, response) =>
      response.writeHead(202, { 'content-encoding': 'gzip' }).end(bomb);
    const reply = await fetchWith(zipped, { maxBytes: 100, onOverflow: 'truncate' });
    expect([reply.status, reply.body.equals(bomb.subarray(0, 100))]).toEqual([202, true]);
  });

  test('a server that says nothing, or drips for ever, runs into the time limit', async () => {
    await expect(fetchWith(() => undefined, { timeoutMs: 50 })).rejects.toMatchObject({ kind: 'timeout' });
    const drip: RequestListener = (_request, response) => {
      const timer = setInterval(() => response.write('.'), 10);
      response.on('close', () => clearInterval(timer));
    };
    await expect(fetchWith(drip, { timeoutMs: 100 })).rejects.toMatchObject({ kind: 'timeout' });
  });

  test('the caller can stop it before and while it runs, with its own reason', async () => {
    const reason = new Error('stopped by the caller');
    const silent = fetchWith(text(''), { signal: AbortSignal.abort(reason) });
    await expect(silent).rejects.toBe(reason);
    const control = new AbortController();
    await expect(fetchWith(() => control.abort(reason), { signal: control.signal })).rejects.toBe(reason);
  });
});

describe('failures of the network', () => {
  test('an unknown name, a refused connection, a reset, a body cut short', async () => {
    const limits = { maxBytes: 1_000, timeoutMs: 5_000 };
    await expect(guardedFetch(agent, 'http://unknown.test/', limits)).rejects.toMatchObject({ kind: 'network' });
    await expect(guardedFetch(agent, 'http://127.0.0.1:1/', limits)).rejects.toMatchObject({ kind: 'network' });
    await expect(fetchWith((request) => request.socket.destroy())).rejects.toMatchObject({ kind: 'network' });
    const short: RequestListener = (_request, response) => {
      response.writeHead(200, { 'content-length': '900' });
      response.write('only this', () => response.destroy());
    };
    await expect(fetchWith(short)).rejects.toMatchObject({ kind: 'network' });
  });

  test('a header with a line break is our mistake, not the network’s', async () => {
    const bad = fetchWith(text(''), { headers: { 'x-bad': 'a\r\nb' } });
    await expect(bad).rejects.toMatchObject({ code: 'UND_ERR_INVALID_ARG' });
  });
});

describe('redirects', () => {
  const hops =
    (count: number): RequestListener =>
    (request, response) => {
      const at = Number(request.url?.slice(1));
      if (at < count) response.writeHead(302, { location: `/${at + 1}` }).end('body of a redirect');
      else response.end('arrived');
    };

  test('are followed up to the limit', async () => {
    const reply = await fetchWith(hops(3), { maxRedirects: 3 }, '/0');
    expect(reply.body.toString()).toBe('arrived');
    expect(reply.url).toBe(`http://a.test:${server.port}/3`);
    await expect(fetchWith(hops(4), { maxRedirects: 3 }, '/0')).rejects.toMatchObject({ kind: 'redirect' });
  });

  test('never hand headers to another origin', async () => {
    await fetchWith(
      (request, response) => {
        if (request.url === '/') response.writeHead(307, { location: `http://b.test:${server.port}/there` }).end();
        else response.end();
      },
      { maxRedirects: 1, headers: { authorization: 'Bearer secret' } },
    );
    expect(seen.map((request) => request.headers.authorization)).toEqual(['Bearer secret', undefined]);
  });

  test.each(['ftp://a.test/', 'file:///etc/passwd', 'http://u@a.test/'])('to %s are refused', async (location) => {
    const reply = fetchWith((_request, response) => response.writeHead(301, { location }).end(), { maxRedirects: 3 });
    await expect(reply).rejects.toMatchObject({ kind: 'blocked' });
  });

  test('to nonsense fail; without a location the reply is final', async () => {
    const nonsense = fetchWith((_request, response) => response.writeHead(302, { location: 'http://[' }).end(), {
      maxRedirects: 1,
    });
    await expect(nonsense).rejects.toMatchObject({ kind: 'redirect' });
    const reply = await fetchWith((_request, response) => response.writeHead(304).end(), { maxRedirects: 1 });
    expect(reply.status).toBe(304);
  });

  test('are not for requests with a body', async () => {
    const reply = fetchWith(text(''), { method: 'POST', body: 'x', maxRedirects: 1 });
    await expect(reply).rejects.toThrow(TypeError);
  });
});
