// One log line and one measurement per request, and its id on the reply. URLs are logged as route templates, so neither
// signatures nor caller's texts in a path or query reach the log.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Nginx's number for a caller that left before its reply. */
const CLIENT_GONE = 499;

export function registerRequestLog(app: App, { logger, metrics }: Pick<Deps, 'logger' | 'metrics'>): void {
  app.decorateRequest('account', '');
  app.decorateRequest('jobId', '');

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    // Not Fastify's onRequestAbort: it is silent once a body has been read.
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) record(request, null, CLIENT_GONE);
    });
  });

  app.addHook('onResponse', async (request, reply) => record(request, reply, reply.statusCode));

  function record(request: FastifyRequest, reply: FastifyReply | null, status: number): void {
    const route = request.routeOptions.url ?? 'unknown';
    const method = METHODS.has(request.method) ? request.method : 'other';
    const ms = Math.round(reply?.elapsedTime ?? 0);
    metrics.httpRequestDuration.observe({ route, method, status }, ms / 1_000);
    logger[levelOf(status, route)](
      {
        method,
        route,
        status,
        ...(reply === null ? {} : { ms }),
        requestId: request.id,
        ...(request.account === '' ? {} : { account: request.account }),
        ...(request.jobId === '' ? {} : { jobId: request.jobId }),
      },
      'request',
    );
  }
}

/** Probes and scrapes come every few seconds; they would bury the rest. */
function levelOf(status: number, route: string): 'debug' | 'info' | 'warn' {
  if (status >= 500) return 'warn';
  return route === '/livez' || route === '/readyz' || route === '/metrics' ? 'debug' : 'info';
}
