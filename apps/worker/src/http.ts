// `/livez` and `/metrics` of a worker, for orchestrators; nothing else is served here.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Deps } from './deps.ts';

/** Resolves once it listens. */
export function startHttp(deps: Deps, host: string, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    void answer(deps, request.url ?? '/').then(
      ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
      (error: unknown) => {
        deps.log.error({ err: error }, 'worker http');
        response.writeHead(500).end();
      },
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      deps.log.info({ port: (server.address() as AddressInfo).port }, 'worker http listens');
      resolve(server);
    });
  });
}

async function answer(deps: Deps, url: string): Promise<{ status: number; type: string; body: string }> {
  if (url === '/livez') return { status: 200, type: 'application/json', body: '{"status":"ok"}' };
  if (url === '/metrics')
    return { status: 200, type: deps.metrics.registry.contentType, body: await readMetrics(deps) };
  return {
    status: 404,
    type: 'application/json',
    body: '{"error":{"message":"Not found.","type":"invalid_request_error","param":null,"code":"not_found"}}',
  };
}

/** Pauses are another process's doing as often as ours, so they are asked for at each scrape. */
async function readMetrics(deps: Deps): Promise<string> {
  for (const [key, isPaused] of await deps.governor.pauses())
    deps.metrics.upstreamKeyPaused.set({ key }, isPaused ? 1 : 0);
  return deps.metrics.registry.metrics();
}
