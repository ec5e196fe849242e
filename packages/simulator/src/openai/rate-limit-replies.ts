/** 429 messages and x-ratelimit-* headers, in the dialect of GPT image models and the older one of DALL-E. */
import { ApiError } from './api-error.ts';
import { formatGoDuration } from './go-duration.ts';
import { isLegacy, type Model } from './models.ts';
import type { Admission, Gauge, Meter } from './rate-limiter.ts';
import type { LimitTelling } from './settings.ts';

export const ORGANIZATION = 'org-simulator000000000000';
const ACCOUNT_LINK = 'Visit https://platform.openai.com/account/rate-limits to learn more.';

/** `type` of the error and the words of the message, by meter. */
const METER_WORDS: Record<Meter, { type: string; words: string }> = {
  images: { type: 'input-images', words: 'input-images per min' },
  requests: { type: 'requests', words: 'requests per min (RPM)' },
  tokens: { type: 'tokens', words: 'tokens per min (TPM)' },
};

export interface LimitFacts {
  meter: Meter;
  limit: number;
  used: number;
  requested: number;
  waitMs: number;
  /** Name of the shared limit in "(for limit …)", or null. */
  forLimit: string | null;
  /** Whether retry-after headers are sent beside the message. */
  headers: boolean;
}

/** "Rate limit reached for …" (seen live 2025-07 for tokens, 2026 for input-images). */
export function rateLimitReached(model: string, facts: LimitFacts): ApiError {
  const { type, words } = METER_WORDS[facts.meter];
  const shared = facts.forLimit === null ? '' : ` (for limit ${facts.forLimit})`;
  const numbers = `Limit ${facts.limit}, Used ${facts.used}, Requested ${facts.requested}.`;
  const wait = `Please try again in ${formatGoDuration(facts.waitMs)}.`;
  const message = `Rate limit reached for ${model}${shared} in organization ${ORGANIZATION} on ${words}: ${numbers} ${wait} ${ACCOUNT_LINK}`;
  return new ApiError(
    429,
    { message, type, code: 'rate_limit_exceeded' },
    facts.headers ? retryHeaders(facts.waitMs) : {},
  );
}

/** The DALL-E wording: no waiting time in it. `Limit: 0/1min` means no access. */
export function legacyImagesExceeded(limit: number, current: number, waitMs: number, headers: boolean): ApiError {
  const message = `Rate limit exceeded for images per minute in organization ${ORGANIZATION}. Limit: ${limit}/1min. Current: ${current}/1min. Please visit https://platform.openai.com/docs/guides/rate-limits to learn how to increase your rate limit.`;
  const fields = { message, type: 'requests', code: 'rate_limit_exceeded' };
  return new ApiError(429, fields, headers ? retryHeaders(waitMs) : {});
}

/** The wording of gpt-image-1 in 2025: the waiting time as decimal seconds. */
export function slowDownAndTryAgain(waitMs: number, headers: boolean): ApiError {
  const message = `You've exceeded the rate limit, please slow down and try again after ${(waitMs / 1000).toFixed(2)} seconds.`;
  const fields = { message, type: 'rate_limit_error', code: 'rate_limit_exceeded' };
  return new ApiError(429, fields, headers ? retryHeaders(waitMs) : {});
}

/** The reply to a request its buckets refused; by default with all headers. */
export function refusalOf(
  model: Model,
  requestedModel: string,
  refusal: Admission & { admitted: false },
  telling: LimitTelling = 'headers',
): ApiError {
  const { refusedBy, requested, waitMs, gauges } = refusal;
  if (telling === 'wait') return slowDownAndTryAgain(waitMs, false);
  const used = refusedBy.limit - refusedBy.remaining;
  const error =
    isLegacy(model) && refusedBy.meter === 'images'
      ? legacyImagesExceeded(refusedBy.limit, used + requested, waitMs, true)
      : rateLimitReached(requestedModel, {
          meter: refusedBy.meter,
          limit: refusedBy.limit,
          used,
          requested,
          waitMs,
          forLimit: refusedBy.sharedName,
          headers: true,
        });
  const told = telling === 'headers' ? gaugeHeaders(model, gauges) : {};
  return new ApiError(error.status, error.fields, { ...error.headers, ...told });
}

/** x-ratelimit-{limit,remaining,reset}-*: Go durations, or whole seconds for DALL-E's images. */
export function gaugeHeaders(model: Model, gauges: readonly Gauge[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { meter, limit, remaining, resetMs } of gauges) {
    const legacyImages = isLegacy(model) && meter === 'images';
    const name = meter === 'images' && !legacyImages ? 'input-images' : meter;
    headers[`x-ratelimit-limit-${name}`] = String(limit);
    headers[`x-ratelimit-remaining-${name}`] = String(remaining);
    headers[`x-ratelimit-reset-${name}`] = legacyImages ? wholeSeconds(resetMs) : formatGoDuration(resetMs);
  }
  return headers;
}

/** retry-after in whole seconds (rounded up, as seen: 534 ms -> 1) and retry-after-ms. */
function retryHeaders(waitMs: number): Record<string, string> {
  return { 'retry-after': wholeSeconds(waitMs), 'retry-after-ms': String(Math.ceil(waitMs)) };
}

function wholeSeconds(ms: number): string {
  return String(Math.ceil(ms / 1000));
}
