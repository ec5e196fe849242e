// How long a body may take to come in. The server's own limit has to leave time for uploads; everything else is small.
import type { FastifyRequest } from 'fastify';
import type { App } from '../http/app.ts';
import { answerBrokenRequest } from './errors.ts';

const BODY_TIME_MS = 60_000;

/** Ends the connection of a request whose body is not here in time, unless its route streams it. */
export function registerBodyTime(app: App, limitMs = BODY_TIME_MS): void {
  app.addHook('onRequest', async (request, reply) => {
    if (!hasBody(request) || request.routeOptions.config.isStreamed === true) return;
    const { raw } = request;
    const timer = setTimeout(() => {
      if (raw.complete) return;
      if (reply.sent) raw.socket.destroy();
      else answerBrokenRequest(new Error('the body took too long'), raw.socket);
    }, limitMs);
    raw.once('close', () => clearTimeout(timer));
  });
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
