// Routes that take `multipart/form-data`, in a scope of their own: every other route goes on refusing it. Parts are
// streamed; what a form must hold is the route's affair.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import multipart from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import type { App } from './app.ts';

/** A caller who sends nothing for this long is gone. Longer than any store takes, during which nothing is read. */
const IDLE_MS = 120_000;
/** How long what a refused caller still sends is read: many look for the reply only after sending everything. */
const LINGER_MS = 5_000;

/** Room for any form of ours; the size of files is the route's affair. */
const LIMITS = {
  fieldNameSize: 100,
  fieldSize: 65_536,
  fields: 50,
  parts: 100,
  headerPairs: 20,
  fileSize: Number.POSITIVE_INFINITY,
};

/** Await it before the OpenAPI document is made. */
export async function registerForms(app: App, registerRoutes: (scope: App) => void): Promise<void> {
  await app.register(async (scope: App) => {
    scope.removeAllContentTypeParsers();
    await scope.register(multipart, { limits: LIMITS, throwFileSizeLimit: false });
    scope.addContentTypeParser('*', (_request, _payload, done) => done(notAForm()));
    scope.addHook('onRequest', async (request) => void request.raw.socket.setTimeout(IDLE_MS));
    scope.addHook('onResponse', async (request) => readRest(request));
    registerRoutes(scope);
  });
}

/** Throws ServiceError `unsupported_media_type` for a request without a body, too. */
export function assertForm(request: FastifyRequest): void {
  if (!request.isMultipart()) throw notAForm();
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new ServiceError('unsupported_media_type', 'Send the body without content-encoding.');
  }
}

function notAForm(): ServiceError {
  return new ServiceError(
    'unsupported_media_type',
    "Unsupported content-type. Send 'content-type: multipart/form-data' with a boundary.",
  );
}

/** Takes what is still coming in off the wire without keeping it, for a while. */
function readRest({ raw }: FastifyRequest): void {
  raw.socket.setTimeout(0);
  if (raw.complete || raw.destroyed) return;
  const timer = setTimeout(() => raw.destroy(), LINGER_MS).unref();
  raw.once('close', () => clearTimeout(timer));
  raw.unpipe();
  raw.resume();
}
