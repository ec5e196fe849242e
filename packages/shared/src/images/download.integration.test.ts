import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllowPrivate } from '../net/address.ts';
import { type GuardedAgent, openGuardedAgent } from '../net/guard.ts';
import { startServer, type TestServer } from '../net/test-servers.ts';
import { type DownloadOptions, downloadResult } from './download.ts';

let agent: GuardedAgent;
let server: TestServer;
let answer: RequestListener;

beforeAll(async () => {
  agent = openGuardedAgent({ allowPrivate: parseAllowPrivate('false'), trustedHosts: ['127.0.0.1'] });
  server = await startServer('http', '127.0.0.1', (request, reply) => answer(request, reply));
});

afterAll(async () => {
  await agent.close();
  await server.close();
});

function download(handler: RequestListener, options: DownloadOptions = {}) {
  answer = handler;
  return downloadResult(agent, `http://127.0.0.1:${server.port}/img.png?sig=x`, options);
}

const status =
  (code: number): RequestListener =>
  (_request, reply) =>
    void reply.writeHead(code, { 'content-type': 'text/xml' }).end('<Error/>');

describe('the image behind a URL', () => {
  test('comes with the type the server gives it', async () => {
    const bytes = Buffer.alloc(2_000_000, 'image');
    const result = await download((_request, reply) =>
      reply.writeHead(200, { 'content-type': 'image/png' }).end(bytes),
    );
    expect(result.kind === 'ok' && { type: result.contentType, same: result.bytes.equals(bytes) }).toEqual({
      type: 'image/png',
      same: true,
    });
  });

  test('is followed over up to three redirects', async () => {
    const hops =
      (count: number): RequestListener =>
      (request, reply) => {
        const at = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('hop'));
        if (at < count) reply.writeHead(302, { location: `/?hop=${at + 1}` }).end();
        else reply.end('image');
      };
    expect(await download(hops(3))).toMatchObject({ kind: 'ok' });
    expect(await download(hops(4))).toMatchObject({ kind: 'failed', reason: 'more than 3 redirects' });
  });

  test.each([201, 204, 206, 304, 400, 403, 404, 408, 410, 425, 429, 500, 503])(
    'does not come with %d',
    async (code) => {
      const reason = `the server answered ${code}`;
      expect(await download(status(code))).toEqual({ kind: 'failed', status: code, reason });
    },
  );

  test('does not come after a reset, a cut body or silence', async () => {
    const reset = await download((request) => request.socket.destroy());
    const cut = await download((_request, reply) => {
      reply.writeHead(200, { 'content-length': '500' });
      reply.write('only this', () => reply.destroy());
    });
    const silent = await download(() => undefined, { timeoutMs: 50 });
    const refused = await downloadResult(agent, 'http://127.0.0.1:1/x.png');
    for (const result of [reset, cut, silent, refused]) expect(result).toMatchObject({ kind: 'failed', status: null });
  });

  test('is not there when the reply is empty', async () => {
    expect(await download((_request, reply) => reply.end())).toMatchObject({ kind: 'failed', status: 200 });
  });

  test('is refused when too large, compressed or at a forbidden address', async () => {
    const large = await download((_request, reply) => reply.end('x'.repeat(101)), { maxBytes: 100 });
    const zipped = await download((_request, reply) => reply.writeHead(200, { 'content-encoding': 'gzip' }).end('x'));
    const forbidden = await downloadResult(agent, 'http://127.0.0.2/x.png');
    const astray = await download((_request, reply) =>
      reply.writeHead(302, { location: 'http://169.254.169.254/latest' }).end(),
    );
    for (const result of [large, zipped, forbidden, astray]) expect(result).toMatchObject({ kind: 'failed' });
  });

  test('is given up with the caller’s reason', async () => {
    const reason = new Error('stopped by the caller');
    await expect(download(() => undefined, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
