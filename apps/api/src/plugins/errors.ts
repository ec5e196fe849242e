// Every non-2xx reply in OpenAI's shape: our own errors as they are, Fastify's by a table, Redis away as 503, and
// anything else as a 500 that says nothing of its cause. Unknown URLs and methods are answered before a body is read.

import type { Socket } from 'node:net';
import { type ErrorCode, type PublicError, ServiceError, toPublicError } from '@darkroom/shared/base/errors.ts';
import { newRequestId } from '@darkroom/shared/base/ids.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { bodyTooLarge } from '../http/json-body.ts';

export interface ErrorBody {
  readonly error: PublicError & { readonly details?: readonly PublicError[] };
}

type Known = Pick<Deps, 'redis' | 'logger'>;

const BODY_TOO_LARGE = 'FST_ERR_CTP_BODY_TOO_LARGE';
const FRAMEWORK_ERRORS: Readonly<Record<string, readonly [code: ErrorCode, message: string]>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'unsupported_media_type',
    "Unsupported content-type. Send 'content-type: application/json'.",
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid_value', 'The body is not as long as content-length says.'],
  FST_ERR_BAD_URL: ['not_found', 'The request URL is malformed.'],
  FST_ERR_MAX_PARAM_LENGTH: ['not_found', 'The request URL is too long.'],
};

/** What ioredis throws for commands that were under way when the connection broke. */
const REDIS_ERROR_NAMES = new Set(['MaxRetriesPerRequestError', 'ClusterAllFailedError']);
/** Error codes of a Redis that is there but can't work: first word of its reply. */
const REDIS_REFUSALS = new Set([
  'LOADING',
  'READONLY',
  'MISCONF',
  'OOM',
  'CLUSTERDOWN',
  'MASTERDOWN',
  'NOREPLICAS',
  'BUSY',
  'TRYAGAIN',
]);

export function registerErrors(app: App, known: Known): void {
  app.addHook('onRequest', async (request) => {
    if (request.is404) throw unknownUrl(request);
  });
  app.setNotFoundHandler((request) => {
    throw unknownUrl(request);
  });
  app.setErrorHandler((error, request, reply) => sendError(known, error, request, reply));
}

/** What is expected to happen, though its status says that it is not the caller's fault. */
const EXPECTED: ReadonlySet<string | null> = new Set(['job_still_running']);

/** OpenAI's SDKs repeat what was answered with it (openai 7.57.0, read 2026-11-30); none of ours goes away by that. */
const CONFLICT = 409;

/** Sends any thrown value as a reply; logs it when it is our fault. */
export function sendError(known: Known, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const isTooLarge = codeOf(error) === BODY_TOO_LARGE;
  const shown = isTooLarge ? bodyTooLarge(request.routeOptions.bodyLimit ?? 0) : toServiceError(error, known);
  if (shown.status >= 500 && !EXPECTED.has(shown.code))
    known.logger.error({ err: error, requestId: request.id }, 'request failed');
  return reply
    .code(shown.status)
    .headers({
      'x-request-id': request.id,
      'content-type': 'application/json; charset=utf-8',
      ...(shown.status === CONFLICT ? { 'x-should-retry': 'false' } : {}),
      ...shown.headers,
    })
    .send(toErrorBody(shown));
}

function toErrorBody(error: ServiceError): ErrorBody {
  if (error.details.length === 0) return { error: toPublicError(error) };
  return { error: { ...toPublicError(error), details: error.details.map(toPublicError) } };
}

function toServiceError(error: unknown, { redis }: Known): ServiceError {
  if (error instanceof ServiceError) return error;
  const [code, message] = FRAMEWORK_ERRORS[codeOf(error)] ?? [];
  if (code !== undefined && message !== undefined) return new ServiceError(code, message, { cause: error });
  if (redis.status !== 'ready' || isRedisError(error)) {
    return new ServiceError('unavailable', 'Darkroom cannot reach its database at the moment. Try again soon.', {
      cause: error,
      headers: { 'retry-after': '2' },
    });
  }
  return new ServiceError('internal_error', 'The server had an error while processing your request.', { cause: error });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function isRedisError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'ReplyError') return REDIS_REFUSALS.has(error.message.split(' ')[0] ?? '');
  return REDIS_ERROR_NAMES.has(error.name);
}

/** Also of routes that are not there for this installation. */
export function unknownUrl(request: FastifyRequest): ServiceError {
  const path = request.url.split('?')[0] ?? '';
  return new ServiceError(
    'not_found',
    `Unknown request URL: ${request.method} ${path}. Please check the URL for typos, or see the API reference at /docs.`,
  );
}

/** For requests that are not even HTTP: Node gives us the bare socket. */
export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const shown = new ServiceError(
    'invalid_value',
    isTooLarge ? 'The request headers are too large.' : 'The request is not valid HTTP.',
  );
  const body = JSON.stringify(toErrorBody(shown));
  const head = [
    'HTTP/1.1 400 Bad Request',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${newRequestId()}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
