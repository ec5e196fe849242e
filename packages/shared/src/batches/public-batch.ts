// The batch as callers see it: OpenAI's Batch object, and Darkroom's own progress beside it.
import { toUnixSeconds, toUsd } from '../base/units.ts';
import { type BatchRecord, type BatchStatus, hasBatchEnded } from './record.ts';

export function toPublicBatch(record: BatchRecord, now: number) {
  const { spec, at } = record;
  const time = (status: BatchStatus): number | null => toUnixSeconds(at[status] ?? null);
  const ended = record.completed + record.failed;
  return {
    id: record.id,
    object: 'batch' as const,
    endpoint: spec.endpoint,
    errors: record.problems.length === 0 ? null : { object: 'list' as const, data: record.problems },
    input_file_id: spec.inputFileId,
    completion_window: spec.completionWindow,
    status: record.status,
    output_file_id: hasBatchEnded(record) ? record.outputFileId : null,
    error_file_id: hasBatchEnded(record) ? record.errorFileId : null,
    created_at: toUnixSeconds(record.createdAt),
    in_progress_at: time('in_progress'),
    expires_at: toUnixSeconds(record.expiresAt),
    finalizing_at: time('finalizing'),
    completed_at: time('completed'),
    failed_at: time('failed'),
    expired_at: time('expired'),
    cancelling_at: time('cancelling'),
    cancelled_at: time('cancelled'),
    request_counts: {
      total: record.total,
      completed: record.completed,
      failed: hasBatchEnded(record) ? record.failed : record.failed + record.invalid,
    },
    usage: usageOf(record),
    metadata: spec.metadata,
    on_invalid: spec.onInvalid,
    priority: spec.priority,
    run: record.run,
    progress: {
      requests_submitted: record.submitted,
      requests_invalid: record.invalid,
      images_completed: record.images,
      cost_usd: toUsd(record.costMicroUsd),
      ...paceOf(record, ended, now),
    },
  };
}

export type PublicBatch = ReturnType<typeof toPublicBatch>;

function usageOf({ inputTokens, outputTokens }: BatchRecord) {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + outputTokens,
  };
}

/** Lines a minute since feeding began, and when the rest would be done at that pace; null while nothing can be said. */
function paceOf(
  record: BatchRecord,
  ended: number,
  now: number,
): { requests_per_minute: number | null; eta: number | null } {
  const startedAt = record.at.in_progress;
  if (startedAt === undefined || ended === 0) return { requests_per_minute: null, eta: null };
  const until = hasBatchEnded(record) || record.status === 'finalizing' ? (record.at.finalizing ?? now) : now;
  const perMs = ended / Math.max(1, until - startedAt);
  const left = Math.max(0, record.total - record.invalid - ended);
  const eta = record.status === 'in_progress' ? toUnixSeconds(now + left / perMs) : null;
  return { requests_per_minute: Math.round(perMs * 60_000 * 10) / 10, eta };
}
