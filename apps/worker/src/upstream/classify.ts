// Turns what came back, or failed to, into a ServiceError with its verdict: contract section 5, first match wins.
// The only place that reads the upstream's message texts (openai-images.md 3.2, read 2026-11-22).
import { ServiceError, type Verdict } from '@darkroom/shared/base/errors.ts';
import type { Observation } from '../governor/observation.ts';

export interface UpstreamReply {
  readonly status: number;
  readonly requestId: string | null;
  readonly type: string | null;
  readonly code: string | null;
  readonly param: string | null;
  /** null when the body had no error message: empty, HTML, cut off. */
  readonly message: string | null;
  readonly moderationStage: string | null;
  readonly observation: Observation;
}

const QUOTA_CODES: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'credit_balance_exhausted',
  'organization_spend_limit_exceeded',
  'project_spend_limit_exceeded',
  'organization_usage_limit_exceeded',
]);

interface Row {
  readonly verdict: Verdict;
  readonly matches: (reply: UpstreamReply, images: number) => boolean;
}

const text = (reply: UpstreamReply): string => reply.message ?? '';
const isNoModel = (reply: UpstreamReply): boolean =>
  reply.status === 404 ||
  reply.status === 410 ||
  (reply.status === 400 && /model .* does not exist/i.test(text(reply)));
const isTooLarge = ({ observation }: UpstreamReply): boolean =>
  observation.requested !== null && observation.limit !== null && observation.requested > observation.limit;

const ROWS: readonly Row[] = [
  { verdict: 'pause', matches: (reply) => reply.status === 401 },
  {
    verdict: 'pause',
    matches: (reply) =>
      reply.status === 400 && (reply.code === 'billing_hard_limit_reached' || /billing hard limit/i.test(text(reply))),
  },
  {
    verdict: 'pause',
    matches: (reply) =>
      reply.status === 429 && (reply.type === 'insufficient_quota' || QUOTA_CODES.has(reply.code ?? '')),
  },
  { verdict: 'final', matches: (reply) => reply.status === 429 && reply.observation.limit === 0 },
  { verdict: 'split', matches: (reply, images) => reply.status === 429 && isTooLarge(reply) && images > 1 },
  { verdict: 'final', matches: (reply) => reply.status === 429 && isTooLarge(reply) },
  { verdict: 'later', matches: (reply) => reply.status === 429 },
  {
    verdict: 'moderated',
    matches: (reply) => reply.code === 'moderation_blocked' && reply.moderationStage === 'output',
  },
  { verdict: 'final', matches: (reply) => reply.code === 'moderation_blocked' },
  { verdict: 'final', matches: isNoModel },
  {
    verdict: 'unknown',
    matches: (reply) => [408, 409, 504].includes(reply.status) || (reply.status >= 520 && reply.status <= 527),
  },
  { verdict: 'retry', matches: (reply) => reply.status >= 500 },
];

/** The error of a non-2xx reply to a request for `images` images. */
export function classifyReply(reply: UpstreamReply, images: number): ServiceError {
  const verdict = ROWS.find((row) => row.matches(reply, images))?.verdict ?? 'final';
  const noModel = verdict === 'final' && isNoModel(reply);
  return ServiceError.upstream({
    status: reply.status,
    type: reply.type ?? (reply.status >= 500 ? 'server_error' : 'invalid_request_error'),
    code: noModel ? 'model_not_found' : reply.code,
    param: reply.param,
    message: withoutKeys(reply.message ?? `The upstream answered ${reply.status} without an error message.`),
    verdict,
    requestId: reply.requestId,
    retryAfterMs: reply.observation.retryAfterMs,
  });
}

/** The upstream said that it does not know the model. */
export function isModelUnknown(error: ServiceError): boolean {
  return error.code === 'model_not_found';
}

/** No reply came: time-out, reset, refused. `wasSent` decides whether it may have been paid. */
export function classifyFailure(cause: unknown, wasSent: boolean): ServiceError {
  const reason = withoutKeys(reasonOf(cause));
  if (wasSent) {
    return ServiceError.upstream({
      status: 502,
      type: 'server_error',
      code: 'outcome_unknown',
      message: `The request was sent to the upstream, but no answer came (${reason}); it may have been charged.`,
      verdict: 'unknown',
      cause,
    });
  }
  return ServiceError.upstream({
    status: 502,
    type: 'server_error',
    code: 'upstream_unreachable',
    message: `The upstream could not be reached (${reason}); nothing was sent.`,
    verdict: 'retry',
    cause,
  });
}

/** A 200 that holds no image: perhaps paid. */
export function noImageData(requestId: string | null, detail: string): ServiceError {
  return ServiceError.upstream({
    status: 502,
    type: 'server_error',
    code: 'outcome_unknown',
    message: withoutKeys(`The upstream answered 200 without image data (${detail}); it may have been charged.`),
    verdict: 'unknown',
    requestId,
  });
}

/** The innermost cause says most: «ECONNREFUSED», not «fetch failed». */
function reasonOf(cause: unknown): string {
  let reason = 'no reason given';
  for (let error = cause; error instanceof Error; error = error.cause) {
    const code = (error as NodeJS.ErrnoException).code;
    reason =
      typeof code === 'string' && code !== '' ? code : error.name === 'TimeoutError' ? 'time-out' : error.message;
  }
  return reason.slice(0, 200);
}

function withoutKeys(message: string): string {
  return message.replace(/\b(sk|dk)-?_?[A-Za-z0-9_*-]{8,}/g, '$1-…');
}
