// The one error class of Darkroom and the one table of error codes. A code fixes the OpenAI `type`, the HTTP status
// and what the worker does about it (the verdict). Errors that come from the upstream keep their own code, type and
// status and get their verdict from the worker's `upstream/classify.ts`.

/**
 * What to do about a failed upstream attempt (contract section 5):
 * `final` never again · `retry` again with backoff, counted · `later` the bucket is stopped, costs no attempt ·
 * `pause` the upstream key is stopped, costs no attempt · `unknown` perhaps paid: recorded, again at most once ·
 * `moderated` blocked after the work: once more, then final · `split` too many images for one call.
 */
export type Verdict = 'final' | 'retry' | 'later' | 'pause' | 'unknown' | 'moderated' | 'split';

interface CodeFacts {
  readonly type: string;
  readonly status: number;
}

const REQUEST = 'invalid_request_error';
const IMAGE_REQUEST = 'image_generation_user_error';

/** Codes made by Darkroom itself. `type` and `status` follow OpenAI's usage (openai-images.md 3.2, read 2026-11-22). */
export const ERROR_CODES = {
  invalid_value: { type: REQUEST, status: 400 },
  invalid_type: { type: REQUEST, status: 400 },
  invalid_json: { type: REQUEST, status: 400 },
  missing_required_parameter: { type: REQUEST, status: 400 },
  unknown_parameter: { type: REQUEST, status: 400 },
  string_above_max_length: { type: REQUEST, status: 400 },
  string_below_min_length: { type: REQUEST, status: 400 },
  integer_above_max_value: { type: REQUEST, status: 400 },
  integer_below_min_value: { type: REQUEST, status: 400 },
  array_above_max_length: { type: REQUEST, status: 400 },
  file_not_found: { type: REQUEST, status: 400 },
  file_too_large: { type: REQUEST, status: 400 },
  invalid_image_url: { type: REQUEST, status: 400 },
  unsupported_file_mimetype: { type: REQUEST, status: 400 },
  invalid_image_file: { type: IMAGE_REQUEST, status: 400 },
  invalid_mask_image_format: { type: IMAGE_REQUEST, status: 400 },
  unsupported_operation: { type: REQUEST, status: 400 },
  unsupported_parameter: { type: REQUEST, status: 400 },
  model_not_found: { type: REQUEST, status: 400 },
  model_retired: { type: REQUEST, status: 400 },
  invalid_api_key: { type: REQUEST, status: 401 },
  forbidden: { type: REQUEST, status: 403 },
  invalid_signature: { type: REQUEST, status: 403 },
  not_found: { type: REQUEST, status: 404 },
  method_not_allowed: { type: REQUEST, status: 405 },
  job_not_ended: { type: REQUEST, status: 409 },
  batch_not_ended: { type: REQUEST, status: 409 },
  file_in_use: { type: REQUEST, status: 409 },
  input_file_gone: { type: REQUEST, status: 409 },
  nothing_to_retry: { type: REQUEST, status: 409 },
  request_too_large: { type: REQUEST, status: 413 },
  unsupported_media_type: { type: REQUEST, status: 415 },
  range_not_satisfiable: { type: REQUEST, status: 416 },
  idempotency_key_reuse: { type: REQUEST, status: 422 },
  queue_full: { type: 'rate_limit_error', status: 429 },
  too_many_streams: { type: 'rate_limit_error', status: 429 },
  cancelled: { type: 'job_error', status: 409 },
  expired: { type: 'job_error', status: 504 },
  outcome_unknown: { type: 'server_error', status: 502 },
  invalid_image: { type: 'server_error', status: 502 },
  upstream_error: { type: 'server_error', status: 502 },
  upstream_unreachable: { type: 'server_error', status: 502 },
  input_lost: { type: 'server_error', status: 500 },
  job_still_running: { type: 'server_error', status: 504 },
  result_lost: { type: 'server_error', status: 502 },
  upstream_unauthorized: { type: 'server_error', status: 503 },
  unavailable: { type: 'service_unavailable_error', status: 503 },
  internal_error: { type: 'server_error', status: 500 },
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Why the upstream's filter refused, as it says (openai-images.md 3.3, read 2026-11-22). */
export interface ModerationDetails {
  moderation_stage: string;
  categories: string[];
}

/** The `error` object of every non-2xx body and of a job's `errors[]`. */
export interface PublicError {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
  /** With `moderation_blocked`, when the upstream gave them. */
  moderation_details?: ModerationDetails;
}

interface Options {
  readonly param?: string | null;
  readonly cause?: unknown;
  /** All problems of one request when there is more than one; the first is this error itself. */
  readonly details?: readonly ServiceError[];
  /** Reply headers that belong to this error, e.g. `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>;
}

interface UpstreamFacts extends Options {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly message: string;
  readonly verdict: Verdict;
  readonly requestId?: string | null;
  readonly retryAfterMs?: number | null;
  readonly moderation?: ModerationDetails | null;
}

export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  code: string | null;
  type: string;
  status: number;
  param: string | null;
  verdict: Verdict = 'final';
  details: readonly ServiceError[];
  headers: Readonly<Record<string, string>>;
  /** The upstream's `x-request-id`; null when the error is our own. */
  requestId: string | null = null;
  /** How long the upstream asked us to wait, ms; null when it did not say. */
  retryAfterMs: number | null = null;
  moderation: ModerationDetails | null = null;

  constructor(code: ErrorCode, message: string, options: Options = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.type = ERROR_CODES[code].type;
    this.status = ERROR_CODES[code].status;
    this.param = options.param ?? null;
    this.details = options.details ?? [];
    this.headers = options.headers ?? {};
  }

  /** An error the upstream sent (or its absence caused); it keeps the upstream's own status, type and code. */
  static upstream(facts: UpstreamFacts): ServiceError {
    const error = new ServiceError('upstream_error', facts.message, facts);
    error.code = facts.code;
    error.type = facts.type;
    error.status = facts.status;
    error.verdict = facts.verdict;
    error.requestId = facts.requestId ?? null;
    error.retryAfterMs = facts.retryAfterMs ?? null;
    error.moderation = facts.moderation ?? null;
    return error;
  }

  /** One error for several problems: the first, with all of them in `details`. `problems` must not be empty. */
  static ofProblems(problems: readonly ServiceError[]): ServiceError {
    const [first, ...rest] = problems;
    if (first === undefined) throw new TypeError('ofProblems needs at least one problem');
    if (rest.length > 0) first.details = problems;
    return first;
  }
}

export function toPublicError(error: ServiceError): PublicError {
  return { message: error.message, type: error.type, param: error.param, code: error.code };
}
