// A body that was refused in the middle is read on after the reply, for a while, and thrown away: many clients look for the
// reply only after sending everything, and a connection closed under them looks like a failure to be repeated.
import type { FastifyRequest } from 'fastify';
import type { App } from '../http/app.ts';

const LINGER_MS = 5_000;

export function registerLinger(app: App): void {
  app.addHook('onSend', async (request, reply) => {
    // Set by Fastify for bodies that say they are too long, so that nobody has to read them.
    if (!request.raw.complete) reply.removeHeader('connection');
  });
  app.addHook('onResponse', async (request) => readRest(request));
}

function readRest({ raw }: FastifyRequest): void {
  if (raw.complete || raw.destroyed) return;
  const timer = setTimeout(() => raw.destroy(), LINGER_MS).unref();
  raw.once('close', () => clearTimeout(timer));
  raw.unpipe();
  raw.resume();
}
