/** What each fault of the edge and of admission answers: bodies and headers of the reference of 2026-11-22. */
import { randomUUID } from 'node:crypto';
import type { Fault } from '../faults/fault-book.ts';
import { booleanParam, numberParam, type Params, stringParam } from '../faults/params.ts';
import type { Reply } from '../http/send-reply.ts';
import { ApiError, badRequest, modelDoesNotExist } from './api-error.ts';
import type { AdmissionKind, EdgeKind, FaultKind } from './fault-kinds.ts';
import { type LimitFacts, legacyImagesExceeded, rateLimitReached, slowDownAndTryAgain } from './rate-limit-replies.ts';

/** What the wording of a fault's reply depends on. */
export interface FaultedRequest {
  requestId: string;
  model: string;
  n: number;
  /** Speaks the DALL-E dialect of rate limits. */
  legacy: boolean;
}

/** A reply without the usual headers: it comes from the edge. */
export interface BareReply extends Reply {
  bare: true;
}
/** A reply with the usual headers. */
export interface PlainReply extends Reply {
  bare: false;
}
export type FaultReply = ApiError | BareReply | PlainReply;

type ReplyKind = Exclude<EdgeKind, 'reset_before_work'> | AdmissionKind;
type ReplyOf = (params: Params, request: FaultedRequest) => FaultReply;

const CONTACT =
  'You can retry your request, or contact us through our help center at help.openai.com if the error persists.';

const REPLIES: Record<ReplyKind, ReplyOf> = {
  invalid_api_key: () => incorrectApiKey('sk-simul*************************revoked'),
  model_not_found_400: (_params, request) => modelDoesNotExist(request.model),
  model_not_found_404: (_params, request) =>
    invalidRequest(
      404,
      `The model \`${request.model}\` does not exist or you do not have access to it.`,
      'model_not_found',
    ),
  gone_410: () =>
    invalidRequest(410, 'The requested DALL-E image endpoint is unavailable because it has been retired.', null),
  empty_404: () => ({ bare: true, status: 404, headers: {}, body: '' }),
  cloudflare_520: (params) => htmlPage(numberParam(params, 'status', 520), 'Web server is returning an unknown error'),
  edge_1015: (params) => edge1015(numberParam(params, 'retryAfterMs', 54_749_000)),
  status: anyStatus,
  rate_limit_images: (params, request) => rateLimited('images', params, request),
  rate_limit_requests: (params, request) => rateLimited('requests', params, request),
  rate_limit_tokens: (params, request) => rateLimited('tokens', params, request),
  rate_limit_legacy: (params) =>
    slowDownAndTryAgain(numberParam(params, 'retryAfterMs', 51_840), booleanParam(params, 'headers', false)),
  rate_limit_zero: (params, request) =>
    legacyImagesExceeded(
      0,
      request.n,
      numberParam(params, 'retryAfterMs', 60_000),
      booleanParam(params, 'headers', false),
    ),
  rate_limit_too_large: (params, request) =>
    rateLimited('images', { limit: 1, used: 0, requested: Math.max(2, request.n), ...params }, request),
  rate_limit_in_200: (params, request) => {
    const error = rateLimited('images', params, request);
    return { bare: false, status: 200, headers: {}, body: JSON.stringify(error.body) };
  },
  slow_down: (params) =>
    withRetry(
      new ApiError(429, {
        message:
          'Your request rate increased too quickly. Please reduce the request rate and gradually increase it again.',
        type: 'rate_limit_error',
        code: 'slow_down',
      }),
      params,
    ),
  insufficient_quota: (params) =>
    new ApiError(429, {
      message: 'You exceeded your current quota, please check your plan and billing details.',
      type: 'insufficient_quota',
      code: stringParam(params, 'code', 'insufficient_quota'),
    }),
  billing_hard_limit: () =>
    new ApiError(400, {
      message: 'Billing hard limit has been reached.',
      type: 'billing_limit_user_error',
      code: 'billing_hard_limit_reached',
    }),
  org_unverified: (_params, request) =>
    invalidRequest(
      403,
      `Your organization must be verified to use the model \`${request.model}\`. Please go to: https://platform.openai.com/settings/organization/general and click on Verify Organization. If you just verified, it can take up to 15 minutes for access to propagate.`,
      null,
    ),
  no_model_access: () => invalidRequest(403, 'The project does not have access to the requested model.', null),
  server_error: (params, request) => serverError(params, request),
  overloaded: (params) =>
    withRetry(
      new ApiError(503, {
        message: 'The model is temporarily overloaded. Please retry your request after a brief delay.',
        type: 'service_unavailable_error',
        code: 'server_is_overloaded',
      }),
      params,
    ),
  request_timeout_408: () => invalidRequest(408, 'Request timed out.', null),
  conflict_409: () => invalidRequest(409, 'Another request is in progress for this resource.', null),
  gateway_timeout_504: (params) =>
    booleanParam(params, 'html', false)
      ? htmlPage(504, 'Gateway time-out')
      : new ApiError(504, { message: 'Gateway timeout.', type: 'server_error' }),
  moderation_input: (params, request) => moderationBlocked('input', params, request),
};

/** Whether the fault answers at all; the others of the edge and of admission cut the connection. */
export function isReplyFault(fault: Fault<FaultKind>): fault is Fault<ReplyKind> {
  return Object.hasOwn(REPLIES, fault.kind);
}

export function replyToFault(fault: Fault<ReplyKind>, request: FaultedRequest): FaultReply {
  return REPLIES[fault.kind](fault.params, request);
}

export function missingApiKey(): ApiError {
  return invalidRequest(401, 'Missing bearer or basic authentication in header', null);
}

export function incorrectApiKey(maskedKey: string): ApiError {
  const message = `Incorrect API key provided: ${maskedKey}. You can find your API key at https://platform.openai.com/account/api-keys.`;
  return invalidRequest(401, message, 'invalid_api_key');
}

/** Verbatim from a capture of 2026-09-20, with `params.categories` (default sexual) and, unless false, `params.details`. */
export function moderationBlocked(stage: 'input' | 'output', params: Params, request: FaultedRequest): ApiError {
  const listed = Array.isArray(params.categories) ? params.categories.map(String) : ['sexual'];
  const message = `Your request was rejected by the safety system. If you believe this is an error, contact us at help.openai.com and include the request ID ${randomUUID()}. safety_violations=[${listed.join(',')}].`;
  const details = booleanParam(params, 'details', true)
    ? { moderation_details: { moderation_stage: stage, categories: listed } }
    : {};
  return request.legacy
    ? badRequest(
        'Your request was rejected as a result of our safety system. Your prompt may contain text that is not allowed by our safety system.',
        'content_policy_violation',
      )
    : new ApiError(400, { message, type: 'image_generation_user_error', code: 'moderation_blocked', ...details });
}

function rateLimited(meter: LimitFacts['meter'], params: Params, request: FaultedRequest): ApiError {
  const defaults = { images: [5, 1], requests: [500, 1], tokens: [100_000, 1800] }[meter];
  const limit = numberParam(params, 'limit', defaults[0] ?? 1);
  const requested = numberParam(params, 'requested', meter === 'images' ? request.n : (defaults[1] ?? 1));
  const used = numberParam(params, 'used', limit);
  const waitMs = numberParam(params, 'retryAfterMs', 12_000);
  const headers = booleanParam(params, 'headers', true);
  if (request.legacy && meter === 'images') return legacyImagesExceeded(limit, used + requested, waitMs, headers);
  const forLimit = typeof params.forLimit === 'string' ? params.forLimit : null;
  return rateLimitReached(request.model, { meter, limit, used, requested, waitMs, forLimit, headers });
}

/** Adds retry-after headers if the fault says how long. */
function withRetry(error: ApiError, params: Params): ApiError {
  const waitMs = numberParam(params, 'retryAfterMs', 0);
  if (waitMs <= 0 || !booleanParam(params, 'headers', true)) return error;
  const headers = { 'retry-after': String(Math.ceil(waitMs / 1000)), 'retry-after-ms': String(waitMs) };
  return new ApiError(error.status, error.fields, headers);
}

function serverError(params: Params, request: FaultedRequest): FaultReply {
  const status = numberParam(params, 'status', 500);
  if (booleanParam(params, 'html', false))
    return htmlPage(status, status === 502 ? 'Bad gateway' : 'Service unavailable');
  const message = `An error occurred while processing your request. ${CONTACT} Please include the request ID ${request.requestId} in your message.`;
  return withRetry(new ApiError(status, { message, type: 'server_error', code: 'server_error' }), params);
}

/** `params.status` with `params.body` (text as it is, anything else as JSON) and `params.headers`. */
function anyStatus(params: Params): FaultReply {
  const status = numberParam(params, 'status', 500);
  const body = params.body ?? { error: { message: `Status ${status}`, type: 'api_error', param: null, code: null } };
  const headers = Object.fromEntries(Object.entries(params.headers ?? {}).map(([key, value]) => [key, String(value)]));
  return typeof body === 'string'
    ? { bare: false, status, headers: { 'content-type': 'text/plain', ...headers }, body }
    : { bare: false, status, headers, body: JSON.stringify(body) };
}

function invalidRequest(status: number, message: string, code: string | null): ApiError {
  return new ApiError(status, { message, type: 'invalid_request_error', code });
}

function htmlPage(status: number, title: string): BareReply {
  const body = `<!DOCTYPE html>\n<html><head><title>${status}: ${title}</title></head>\n<body><center><h1>${status} ${title}</h1></center><hr><center>cloudflare</center></body></html>\n`;
  return { bare: true, status, headers: { 'content-type': 'text/html; charset=UTF-8', server: 'cloudflare' }, body };
}

/** Seen live (2024): plain text, tens of thousands of seconds to wait. */
function edge1015(retryAfterMs: number): BareReply {
  const headers = {
    'content-type': 'text/plain; charset=UTF-8',
    'retry-after': String(Math.ceil(retryAfterMs / 1000)),
  };
  return { bare: true, status: 429, headers, body: 'error code: 1015' };
}
