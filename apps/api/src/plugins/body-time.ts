// How long a body may take to come in. The server's own limit has to leave time for uploads; everything else is small.
import type { FastifyRequest } from 'fastify';
import type { App } from '../http/app.ts';
import { answerBrokenRequest } from './errors.ts';

const BODY_TIME_MS = 60_000;

/** Ends the connection of a request whose body is not here in time, unless it is a form that its route streams. */
export function registerBodyTime(app: App, usualMs = BODY_TIME_MS): void {
  app.addHook('onRequest', async (request, reply) => {
    const { isStreamed = false, bodyTimeMs: limitMs = usualMs } = request.routeOptions.config;
    if (!hasBody(request) || (isStreamed && isForm(request))) return;
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

function isForm({ headers }: FastifyRequest): boolean {
  return /^multipart\/form-data\b/i.test(headers['content-type'] ?? '');
}
