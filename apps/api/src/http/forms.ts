// Routes that take `multipart/form-data`, in a scope of their own: every other route goes on refusing it. Parts are
// streamed; what a form must hold is the route's affair.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import multipart from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import type { App } from './app.ts';

/** A caller who sends nothing for this long is gone. Longer than any store takes, during which nothing is read. */
const IDLE_MS = 120_000;

/** The longest prompt (32,000 characters of up to 4 bytes), twice. What is longer is cut, and told. */
export const FIELD_BYTES = 262_144;

/** Room for any form of ours; the size of files is the route's affair. */
const LIMITS = {
  fieldNameSize: 200,
  fieldSize: FIELD_BYTES,
  fields: 50,
  parts: 100,
  headerPairs: 20,
  fileSize: Number.POSITIVE_INFINITY,
};

const LIMIT_ERRORS = ['FST_PARTS_LIMIT', 'FST_FIELDS_LIMIT'];

/** Await it before the OpenAPI document is made. `registerJson`: these routes take JSON, too. */
export async function registerForms(
  app: App,
  registerRoutes: (scope: App) => void,
  registerJson?: (scope: App) => void,
): Promise<void> {
  await app.register(async (scope: App) => {
    scope.removeAllContentTypeParsers();
    await scope.register(multipart, { limits: LIMITS, throwFileSizeLimit: false });
    registerJson?.(scope);
    const refuse = registerJson === undefined ? notAForm : neitherFormNorJson;
    scope.addContentTypeParser('*', (_request, _payload, done) => done(refuse()));
    scope.addHook('onRequest', async (request) => void request.raw.socket.setTimeout(IDLE_MS));
    registerRoutes(scope);
  });
}

/** The body is here; from now on the connection may be silent for as long as its caller waits. */
export function allowSilence({ raw }: FastifyRequest): void {
  raw.socket.setTimeout(0);
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

function neitherFormNorJson(): ServiceError {
  return new ServiceError(
    'unsupported_media_type',
    "Unsupported content-type. Send 'content-type: application/json', or 'content-type: multipart/form-data' with a boundary.",
  );
}

/** What the parser throws is about the bytes that came: a caller who left, or a form that is none. */
export function toBrokenForm(error: unknown): ServiceError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = LIMIT_ERRORS.includes(code)
    ? 'The form has too many parts.'
    : 'The multipart/form-data body is malformed or cut off.';
  return new ServiceError('invalid_value', message, { cause: error });
}
