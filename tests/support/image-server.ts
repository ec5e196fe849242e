// A web server of somebody's pictures: what callers' `image_url`s lead to. It counts who asked for what, under which name.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Answer =
  | { readonly kind: 'bytes'; readonly bytes: Buffer; readonly type: string }
  | { readonly kind: 'redirect'; readonly location: string }
  /** A byte now and then, for ever. */
  | { readonly kind: 'trickle' };

export interface ImageServer {
  readonly port: number;
  /** Serves `bytes` under a path from now on; the URL of it. */
  put(path: string, bytes: Buffer, type?: string): string;
  redirect(path: string, location: string): string;
  trickle(path: string): string;
  /** The path answers 404 again. */
  remove(path: string): void;
  /** The URL of a path, whether or not something is there. */
  url(path: string): string;
  /** Requests so far for a path, by any name of this machine or by the one given. */
  asked(path: string, host?: string): number;
  stop(): Promise<void>;
}

const TRICKLE_EVERY_MS = 200;

/** Listens on every address of this machine; its URLs say 127.0.0.1. */
export async function startImageServer(): Promise<ImageServer> {
  const answers = new Map<string, Answer>();
  const requests: { readonly path: string; readonly host: string }[] = [];
  const server = createServer((request, reply) => {
    const path = (request.url ?? '').replace(/[?#].*/, '');
    requests.push({ path, host: (request.headers.host ?? '').replace(/:\d+$/, '') });
    answer(answers.get(path), request, reply);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '0.0.0.0', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = (path: string): string => `http://127.0.0.1:${port}${path}`;
  const set = (path: string, what: Answer): string => {
    answers.set(path, what);
    return url(path);
  };
  return {
    port,
    put: (path, bytes, type = 'image/png') => set(path, { kind: 'bytes', bytes, type }),
    redirect: (path, location) => set(path, { kind: 'redirect', location }),
    trickle: (path) => set(path, { kind: 'trickle' }),
    remove: (path) => void answers.delete(path),
    url,
    asked: (path, host) => requests.filter((one) => one.path === path && (host ?? one.host) === one.host).length,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(what: Answer | undefined, request: IncomingMessage, reply: ServerResponse): void {
  request.resume();
  if (what === undefined) {
    reply.writeHead(404, { 'content-type': 'text/plain' }).end('gone');
  } else if (what.kind === 'bytes') {
    reply.writeHead(200, { 'content-type': what.type, 'content-length': what.bytes.length }).end(what.bytes);
  } else if (what.kind === 'redirect') {
    reply.writeHead(302, { location: what.location }).end();
  } else {
    reply.writeHead(200, { 'content-type': 'image/png' });
    const timer = setInterval(() => reply.write('x'), TRICKLE_EVERY_MS);
    reply.once('close', () => clearInterval(timer));
  }
}
