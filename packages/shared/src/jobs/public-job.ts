// The job as callers see it (contract section 3): progress, usage and errors are derived from the record each time,
// so they can't disagree with it.
import type { PublicError } from '../base/errors.ts';
import { imageIdOf } from '../base/ids.ts';
import { toUnixSeconds, toUsd } from '../base/units.ts';
import { type AttemptRow, hasEnded, type ImageRow, type JobRecord, type StoredError } from './record.ts';

export interface PublicJobError extends PublicError {
  index: number;
  upstream_request_id: string | null;
}

/** Makes an image's link and says until when it holds, unix s; null = for ever. */
export type LinkMaker = (image: ImageRow, imageId: string) => { url: string; expiresAt: number | null };

const OWN_ERRORS: Readonly<Record<string, { type: string; message: string }>> = {
  cancelled: { type: 'job_error', message: 'The job was cancelled before this image was requested.' },
  expired: { type: 'job_error', message: 'The job expired before this image was requested.' },
  outcome_unknown: {
    type: 'server_error',
    message:
      'The upstream request was sent, but its outcome is unknown; it may have been charged and was not repeated again.',
  },
};

/** Where a job stands in its lane; null: no call of it is in line, or nobody asked. */
export interface PublicWait {
  /** Calls that go before its first waiting one. */
  readonly position: number;
  /** null = not known. */
  readonly expectedSeconds: number | null;
}

export function toPublicJob(record: JobRecord, linkOf: LinkMaker, wait: PublicWait | null = null) {
  const { spec } = record;
  const errors = errorsOf(record);
  const withheld = errors.filter(isWithheld).length;
  const { upstream_request_id: _, index: __, ...first } = errors[0] ?? { upstream_request_id: null, index: 0 };
  return {
    id: record.id,
    object: 'job' as const,
    operation: spec.operation,
    status: record.status,
    model: spec.model,
    requested_model: spec.requestedModel,
    created_at: toUnixSeconds(record.createdAt),
    started_at: toUnixSeconds(record.startedAt),
    finished_at: toUnixSeconds(record.finishedAt),
    expires_at: toUnixSeconds(record.expiresAt),
    cancel_requested_at: toUnixSeconds(record.cancelAt),
    run: record.run,
    queue_position: wait?.position ?? null,
    expected_wait_seconds: wait?.expectedSeconds ?? null,
    input: spec.input,
    progress: {
      images_requested: spec.calls.reduce((sum, call) => sum + call.length, 0),
      images_completed: record.images.size,
      images_failed: errors.length - withheld,
      images_withheld: withheld,
    },
    images: [...record.images.values()].map((image) => toPublicImage(record.id, image, linkOf)),
    errors,
    error: hasEnded(record) && record.status !== 'completed' && errors.length > 0 ? first : null,
    usage: usageOf(record),
    warnings: spec.warnings,
    metadata: spec.metadata,
    batch_id: spec.batchId,
    custom_id: spec.customId,
    priority: spec.priority,
  };
}

export type PublicJob = ReturnType<typeof toPublicJob>;

function toPublicImage(jobId: string, image: ImageRow, linkOf: LinkMaker) {
  const id = imageIdOf(jobId, image.index);
  const link = linkOf(image, id);
  return {
    id,
    index: image.index,
    url: link.url,
    url_expires_at: link.expiresAt,
    content_type: image.contentType,
    bytes: image.bytes,
    width: image.width,
    height: image.height,
    sha256: image.sha256,
    revised_prompt: image.revisedPrompt,
  };
}

/** Whether an image was not even requested: its job was cancelled or over first. */
export function isWithheld({ code }: Pick<PublicError, 'code'>): boolean {
  return code === 'cancelled' || code === 'expired';
}

/** One error per image that will not come in this run. */
function errorsOf(record: JobRecord): PublicJobError[] {
  return record.calls.flatMap((call, k) => {
    if (call.outcome !== 'failed' && call.outcome !== 'withheld') return [];
    const missing = (record.spec.calls[k] ?? []).filter((index) => !record.images.has(index));
    return missing.map((index) => ({ index, ...toPublicStoredError(call.error ?? null) }));
  });
}

function toPublicStoredError(error: StoredError | null): Omit<PublicJobError, 'index'> {
  const own = OWN_ERRORS[error?.code ?? ''];
  return {
    code: error?.code ?? null,
    type: error?.type ?? own?.type ?? 'server_error',
    message: error?.message ?? own?.message ?? 'The image could not be made.',
    param: error?.param ?? null,
    upstream_request_id: error?.requestId ?? null,
    ...(error?.moderation_details === undefined ? {} : { moderation_details: error.moderation_details }),
  };
}

function usageOf(record: JobRecord) {
  const paid = record.attempts.filter((attempt) => attempt.costMicroUsd !== undefined);
  const inputTokens = sum(record.attempts.map((attempt) => attempt.inputTokens ?? 0)) ?? 0;
  const outputTokens = sum(record.attempts.map((attempt) => attempt.outputTokens ?? 0)) ?? 0;
  return {
    images: record.images.size,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    cost_usd: toUsd(sum(paid.map((attempt) => attempt.costMicroUsd ?? null))),
    possible_extra_cost_usd: toUsd(sum(record.attempts.map(possibleExtraOf))),
  };
}

/** What an attempt may have cost beyond what is known, micro-USD: all of it when its outcome is unknown. null: no price is known. */
export function possibleExtraOf(attempt: AttemptRow): number | null {
  if (attempt.outcome === 'unknown' && attempt.costMicroUsd === undefined) return attempt.upperBoundMicroUsd ?? null;
  return attempt.extraMicroUsd ?? (attempt.extraMicroUsd === null ? null : 0);
}

/** null as soon as one part is not known: an unknown price is never counted as 0. */
function sum(parts: readonly (number | null)[]): number | null {
  return parts.reduce<number | null>((total, part) => (total === null || part === null ? null : total + part), 0);
}

export function toPublicAttempt(attempt: AttemptRow & { readonly call: number; readonly seq: number }) {
  const endedAt = attempt.endedAt ?? null;
  return {
    object: 'attempt' as const,
    call: attempt.call,
    attempt: attempt.seq,
    run: attempt.run,
    image_indexes: attempt.images,
    started_at: toUnixSeconds(attempt.at),
    ended_at: toUnixSeconds(endedAt),
    outcome: attempt.outcome,
    status: attempt.status ?? null,
    code: attempt.code ?? null,
    upstream_request_id: attempt.requestId ?? null,
    duration_ms: endedAt === null ? null : endedAt - attempt.at,
    cost_usd: toUsd(attempt.costMicroUsd ?? null),
    possible_extra_cost_usd: toUsd(possibleExtraOf(attempt)),
  };
}
