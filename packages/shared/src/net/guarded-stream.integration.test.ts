import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllowPrivate } from './address.ts';
import { type GuardedAgent, openGuardedAgent } from './guard.ts';
import type { GuardedFetchOptions } from './guarded-fetch.ts';
import { guardedStream, type StreamedReply } from './guarded-stream.ts';
import { startServer, type TestServer } from './test-servers.ts';

let agent: GuardedAgent;
let server: TestServer;
let answer: RequestListener;

beforeAll(async () => {
  agent = openGuardedAgent({ allowPrivate: parseAllowPrivate('127.0.0.1') });
  server = await startServer('http', '127.0.0.1', (request, reply) => answer(request, reply));
});
afterAll(async () => {
  await agent.close();
  await server.close();
});

function stream<T>(
  handler: RequestListener,
  take: (reply: StreamedReply) => Promise<T>,
  options: Partial<GuardedFetchOptions> = {},
) {
  answer = handler;
  return guardedStream(
    agent,
    `http://127.0.0.1:${server.port}/`,
    { maxBytes: 1_000, timeoutMs: 5_000, ...options },
    take,
  );
}

const readAll = async ({ body }: StreamedReply): Promise<string> =>
  Buffer.concat(await Array.fromAsync(body)).toString();

describe('a streamed reply', () => {
  test('comes with status, headers and address before its body', async () => {
    const asked = Promise.withResolvers<void>();
    const slow: RequestListener = (_request, reply) => {
      reply.writeHead(201, { 'x-one': '1' }).write('first ');
      void asked.promise.then(() => reply.end('second'));
    };
    const text = await stream(slow, async (reply) => {
      expect(reply).toMatchObject({ status: 201, headers: { 'x-one': '1' }, url: `http://127.0.0.1:${server.port}/` });
      asked.resolve();
      return await readAll(reply);
    });
    expect(text).toBe('first second');
  });

  test('nobody reads is dropped', async () => {
    const dropped = Promise.withResolvers<void>();
    const endless: RequestListener = (_request, reply) => {
      reply.once('close', () => dropped.resolve());
      reply.write('x');
    };
    expect(await stream(endless, async ({ status }) => status)).toBe(200);
    await dropped.promise;
  });

  test('is as large as allowed, and not a byte more', async () => {
    const text =
      (size: number): RequestListener =>
      (_request, reply) => {
        reply.write('x'.repeat(size - 1), () => void reply.end('x'));
      };
    expect(await stream(text(1_000), readAll)).toHaveLength(1_000);
    await expect(stream(text(1_001), readAll)).rejects.toMatchObject({ name: 'FetchFailure', kind: 'too_large' });
  });

  test.each<[string, RequestListener, string]>([
    [
      'announces too much',
      (_, reply) => void reply.writeHead(200, { 'content-length': '2000' }).write('x'),
      'too_large',
    ],
    ['is compressed', (_, reply) => void reply.writeHead(200, { 'content-encoding': 'br' }).end('x'), 'encoding'],
    [
      'breaks off',
      (_, reply) => void reply.writeHead(200, { 'content-length': '9' }).write('x', () => reply.destroy()),
      'network',
    ],
    ['never ends', (_, reply) => void reply.writeHead(200).write('x'), 'timeout'],
  ])('that %s fails where it is read', async (_what, handler, kind) => {
    const seen: unknown[] = [];
    const streaming = stream(
      handler,
      async (reply) => {
        seen.push(reply.status);
        return await readAll(reply).catch((error: unknown) => {
          seen.push('failed');
          throw new Error('a reader that hides why', { cause: error });
        });
      },
      { timeoutMs: 300 },
    );
    await expect(streaming).rejects.toMatchObject({ name: 'FetchFailure', kind });
    expect(seen).toEqual([200, 'failed']);
  });

  test('leaves what its reader throws as it is', async () => {
    const failure = new Error('no room');
    const text: RequestListener = (_request, reply) => void reply.end('x');
    await expect(stream(text, () => Promise.reject(failure))).rejects.toBe(failure);
  });

  test('ends with the signal’s reason', async () => {
    const leaving = new AbortController();
    const reason = new Error('the caller left');
    const silent: RequestListener = (_request, reply) => {
      reply.write('x', () => leaving.abort(reason));
    };
    await expect(stream(silent, readAll, { signal: leaving.signal })).rejects.toBe(reason);
  });

  test('is not cut off by the time limit once it is here', async () => {
    const text: RequestListener = (_request, reply) => void reply.end('x');
    const taken = stream(
      text,
      async (reply) => {
        const body = await readAll(reply);
        await new Promise((resolve) => setTimeout(resolve, 100));
        return body;
      },
      { timeoutMs: 60 },
    );
    expect(await taken).toBe('x');
  });
});
