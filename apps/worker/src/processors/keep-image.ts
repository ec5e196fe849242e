// One paid image: fetched if the reply held a link, measured, stored under its fixed key.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { toUsd } from '@darkroom/shared/base/units.ts';
import { downloadResult } from '@darkroom/shared/images/download.ts';
import { findStored, type KeepOptions, saveImage } from '@darkroom/shared/images/save-image.ts';
import { StorageError } from '@darkroom/shared/images/store.ts';
import type { AttemptRow, ImageRow, JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { Deps } from '../deps.ts';
import type { ReplyImage } from '../upstream/reply.ts';

export type Kept =
  | { readonly kind: 'kept'; readonly row: ImageRow }
  /** Paid, and never to be had: the link is dead or the bytes are no image. */
  | { readonly kind: 'lost'; readonly error: ServiceError }
  /** Not now: storage or the link's host is away. */
  | { readonly kind: 'later'; readonly reason: string };

/**
 * Stores `image` as the job's image `index`. Fetched bytes stay in `fetched`, so that a link is followed once. The first
 * one stored wins, as in the record: the late answer of a frozen worker must not replace what was delivered meanwhile.
 */
export async function keepImage(
  deps: Deps,
  options: KeepOptions,
  image: ReplyImage,
  fetched: Map<number, Buffer>,
): Promise<Kept> {
  const { index } = options;
  if (image.kind === 'url' && !fetched.has(index)) {
    const download = await downloadResult(deps.resultAgent, image.url);
    if (download.kind === 'retry') return { kind: 'later', reason: download.reason };
    if (download.kind !== 'ok') return { kind: 'lost', error: resultLost(download.reason) };
    fetched.set(index, download.bytes);
  }
  const bytes = image.kind === 'bytes' ? image.bytes : (fetched.get(index) ?? Buffer.alloc(0));
  try {
    const stored = (await findStored(deps.store, options)) ?? (await saveImage(deps.store, { ...options, bytes }));
    return { kind: 'kept', row: { index, revisedPrompt: image.revisedPrompt, ...stored } };
  } catch (error) {
    if (error instanceof StorageError) return { kind: 'later', reason: error.message };
    if (error instanceof ServiceError) return { kind: 'lost', error: resultLost(error.message) };
    throw error;
  }
}

function resultLost(reason: string): ServiceError {
  return new ServiceError('result_lost', `The image was made and paid for, but could not be kept: ${reason}.`);
}

/** Where image `index` of a job goes, and what is written beside it. Metadata never holds the prompt, provenance does. */
export function keepOptionsOf(
  record: JobRecord,
  index: number,
  attempt: Pick<AttemptRow, 'requestId' | 'costMicroUsd'>,
): KeepOptions {
  const { spec } = record;
  const cost = toUsd(attempt.costMicroUsd ?? null);
  const facts = {
    job_id: record.id,
    index: String(index),
    model: spec.model,
    size: toText(spec.body['size']),
    quality: toText(spec.body['quality']),
    call_cost_usd: cost === null ? 'unknown' : String(cost),
    upstream_request_id: attempt.requestId ?? 'unknown',
  };
  return {
    account: spec.account,
    jobId: record.id,
    index,
    outputFormat: spec.outputFormat,
    downscaleTo: spec.downscaleTo,
    metadata: facts,
    provenance: {
      ...facts,
      index,
      requested_model: spec.requestedModel,
      operation: spec.operation,
      sent_as: spec.sentAs,
      // Input images are named by their hash, never kept a second time.
      request: spec.body,
      created_at: new Date(record.createdAt).toISOString(),
    },
  };
}

function toText(value: unknown): string {
  return typeof value === 'string' ? value : 'auto';
}
