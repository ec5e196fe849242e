/** Starts a plain node:http server and stops it without waiting for idle or hanging connections. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BodyAborted, BodyTooLarge } from './body.ts';

export type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

export interface Listening {
  url: string;
  port: number;
  close(): Promise<void>;
}

/** Longer than the keep-alive of usual clients, so that the client, not we, drops an idle connection. */
const KEEP_ALIVE_MS = 75_000;

/** Listens on `host`:`port` (0 = any free port). `close` cuts every connection at once. */
export async function listen(handler: Handler, host: string, port: number): Promise<Listening> {
  const server = createServer((req, res) => {
    handler(req, res).catch((error: unknown) => failPlainly(res, error));
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = (server.address() as AddressInfo).port;
  const close = async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`, port: bound, close };
}

/** A body that never ended or never stopped is the client's doing; anything else is a bug, and must be seen as one. */
function failPlainly(res: ServerResponse, error: unknown): void {
  if (error instanceof BodyAborted) {
    res.destroy();
    return;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const tooLarge = error instanceof BodyTooLarge;
  if (!tooLarge) process.stderr.write(`simulator: ${text}\n`);
  if (res.headersSent) res.destroy();
  else res.writeHead(tooLarge ? 413 : 500, { 'content-type': 'text/plain', connection: 'close' }).end(`${text}\n`);
}
