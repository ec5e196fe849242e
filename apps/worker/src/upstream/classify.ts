// Turns what came back, or failed to, into a ServiceError with its verdict: contract section 5, first match wins.
// The only place that reads the upstream's message texts (openai-images.md 3.2, read 2026-11-22).
import { type ModerationDetails, ServiceError, type Verdict } from '@darkroom/shared/base/errors.ts';
import type { Operation } from '@darkroom/shared/models/rules.ts';
import type { Observation } from '../governor/observation.ts';

export interface UpstreamReply {
  readonly status: number;
  readonly requestId: string | null;
  readonly type: string | null;
  readonly code: string | null;
  readonly param: string | null;
  /** null when the body had no error message: empty, HTML, cut off. */
  readonly message: string | null;
  readonly moderation: ModerationDetails | null;
  readonly observation: Observation;
}

/** What was asked. */
export interface Request {
  readonly operation: Operation;
  readonly images: number;
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
const namesModel = (reply: UpstreamReply): boolean =>
  /model .* does not exist/i.test(text(reply)) || reply.code === 'model_not_found';
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
    matches: (reply) => reply.code === 'moderation_blocked' && reply.moderation?.moderation_stage === 'output',
  },
  { verdict: 'final', matches: (reply) => reply.code === 'moderation_blocked' },
  { verdict: 'final', matches: isNoModel },
  {
    verdict: 'unknown',
    matches: (reply) => [408, 409, 504].includes(reply.status) || (reply.status >= 520 && reply.status <= 527),
  },
  { verdict: 'retry', matches: (reply) => reply.status >= 500 },
];

/** The error of a non-2xx reply. */
export function classifyReply(reply: UpstreamReply, request: Request): ServiceError {
  const verdict = ROWS.find((row) => row.matches(reply, request.images))?.verdict ?? 'final';
  const facts = factsOf(reply, request, verdict);
  return ServiceError.upstream({
    status: reply.status,
    type: reply.type ?? (reply.status >= 500 ? 'server_error' : 'invalid_request_error'),
    param: reply.param,
    message: messageOf(reply),
    ...facts,
    verdict,
    requestId: reply.requestId,
    retryAfterMs: reply.observation.retryAfterMs,
    moderation: reply.moderation,
  });
}

type Words = { readonly code: string | null; readonly message?: string };

/** The upstream's own code; ours where it gave none, or means more than one refused request. */
function factsOf(reply: UpstreamReply, request: Request, verdict: Verdict): Words {
  if (verdict === 'final') return factsOfFinal(reply, request);
  if (verdict !== 'unknown' || reply.code !== null) return { code: reply.code };
  return { code: 'outcome_unknown', message: `${messageOf(reply)} It may have been charged.` };
}

/** What our code and words are for a refusal that stands for the end of a model or of an endpoint. */
function factsOfFinal(reply: UpstreamReply, { operation }: Request): Words {
  if (!isNoModel(reply)) return { code: reply.code };
  if (operation !== 'variation' || namesModel(reply)) return { code: 'model_not_found' };
  // OpenAI's own has been gone since 2026: an empty 404, or a 410 that says so. It tells nothing about the model.
  const message = `The upstream has no image variations any more: ${messageOf(reply)} With MODEL_POLICY=translate they are made as edits.`;
  return { code: 'unsupported_operation', message };
}

function messageOf(reply: UpstreamReply): string {
  return withoutKeys(reply.message ?? `The upstream answered ${reply.status} without an error message.`);
}

/** The upstream said that it does not know the model. */
export function isModelUnknown(error: ServiceError): boolean {
  return error.code === 'model_not_found';
}

/** The upstream asks for fewer calls at a time, not only for later ones. */
export function isSlowDown(error: ServiceError): boolean {
  return error.code === 'slow_down';
}

/** How much of a request can have arrived when no answer came. */
export type Sent = 'not' | 'in-part' | 'whole';

/** No reply came: time-out, reset, refused. Only a whole request may have been paid. */
export function classifyFailure(cause: unknown, sent: Sent): ServiceError {
  const reason = withoutKeys(reasonOf(cause));
  if (sent === 'whole') {
    return ServiceError.upstream({
      status: 502,
      type: 'server_error',
      code: 'outcome_unknown',
      message: `The request was sent to the upstream, but no answer came (${reason}); it may have been charged.`,
      verdict: 'unknown',
      cause,
    });
  }
  const message =
    sent === 'not'
      ? `The upstream could not be reached (${reason}); nothing was sent.`
      : `The connection to the upstream broke off (${reason}); the request was not sent whole, so nothing was charged.`;
  return ServiceError.upstream({
    status: 502,
    type: 'server_error',
    code: 'upstream_unreachable',
    message,
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
  return message.replace(/\b(sk|dk)-?_?[A-Za-z0-9_*-]{8,}(?:[.+/=~]+[A-Za-z0-9_*-]+)*/g, '$1-…');
}
