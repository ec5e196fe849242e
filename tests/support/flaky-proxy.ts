// A reverse proxy in front of Darkroom that has mishaps: it forwards a request whole and then cuts the line, or answers
// in Darkroom's place. Where it forwards to can change, as when a balancer moves on.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { finished } from 'node:stream/promises';

export interface Mishap {
  /** Waited for when the request has been forwarded whole. Default: nothing. */
  readonly once?: () => Promise<unknown>;
  /** The status answered in Darkroom's place. Default: the caller's line is cut. */
  readonly answer?: number;
  /** Darkroom's line stays open, as if its caller were still there. Default: it is cut. */
  readonly keepsLine?: boolean;
}

export interface FlakyProxy {
  readonly url: string;
  target: string;
  /** Requests so far, by their `x-stainless-retry-count`. */
  readonly seen: readonly string[];
  stop(): Promise<void>;
}

/** The first requests meet `mishaps` in order, all others pass. */
export async function startFlakyProxy(target: string, mishaps: readonly Mishap[] = []): Promise<FlakyProxy> {
  const seen: string[] = [];
  const server = createServer((request, reply) => {
    const mishap = mishaps[seen.length];
    seen.push(String(request.headers['x-stainless-retry-count']));
    void pass(proxy.target, request, reply, mishap).catch(() => cut(reply));
  });
  const proxy = {
    url: '',
    target,
    seen,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}

/** Rejects when Darkroom's line breaks before its reply is through. */
async function pass(
  target: string,
  request: IncomingMessage,
  reply: ServerResponse,
  mishap: Mishap | undefined,
): Promise<void> {
  const { method = 'GET', headers } = request;
  const onward = openRequest(target + (request.url ?? ''), { method, headers, agent: false });
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    onward.once('response', resolve).once('error', reject);
  });
  reply.once('close', () => {
    if (!reply.writableFinished && mishap?.keepsLine !== true) onward.destroy();
  });
  request.pipe(onward);
  if (mishap === undefined) return relay(await answer, reply);
  answer.then((unread) => unread.resume()).catch(() => undefined); // nobody looks at it any more
  await once(onward, 'finish');
  await mishap.once?.();
  if (mishap.answer === undefined) cut(reply);
  else reply.writeHead(mishap.answer, { 'content-type': 'text/html' }).end('<h1>proxy</h1>');
  if (mishap.keepsLine !== true) onward.destroy();
}

async function relay(answer: IncomingMessage, reply: ServerResponse): Promise<void> {
  reply.writeHead(answer.statusCode ?? 500, answer.headers);
  await finished(answer.pipe(reply));
}

function cut(reply: ServerResponse): void {
  reply.socket?.resetAndDestroy();
}
