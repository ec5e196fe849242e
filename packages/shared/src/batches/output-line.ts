// One line of a batch's output or error file, in the shape of OpenAI's: joined to its request by `custom_id`.

import type { PublicError } from '../base/errors.ts';
import { toErrorResponse, toImagesResponse } from '../jobs/images-response.ts';
import { isWithheld, type PublicJob } from '../jobs/public-job.ts';
import type { ImageRow, JobRecord } from '../jobs/record.ts';
import type { BatchStatus } from './record.ts';

export interface OutputLine {
  readonly id: string;
  readonly custom_id: string | null;
  readonly response: { readonly status_code: number; readonly request_id: string; readonly body: unknown } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** Whether a job's line belongs to the output file: some images are enough. */
export function hasOutput(record: JobRecord): boolean {
  return record.images.size > 0;
}

/** The bytes of an image as base64; null when they can't be had any more. */
export type ReadBase64 = (image: ImageRow) => Promise<string | null>;

/** The line of a job that has images. An incomplete one has those it got; its errors stand beside them. */
export async function toResultLine(record: JobRecord, job: PublicJob, readBase64: ReadBase64): Promise<OutputLine> {
  const body = toImagesResponse(record, job);
  const data = record.spec.responseFormat === 'b64_json' ? await withBytes(record, body.data, readBase64) : body.data;
  const images = data.map(({ index: _, ...image }) => image);
  const incomplete = job.errors.length === 0 ? {} : { status: job.status, errors: job.errors };
  return frame(record, 200, { ...body, data: images, ...incomplete });
}

async function withBytes(
  record: JobRecord,
  data: readonly { index: number; revised_prompt?: string }[],
  readBase64: ReadBase64,
) {
  const filled: { index: number; revised_prompt?: string; b64_json: string | null }[] = [];
  for (const { index, revised_prompt } of data) {
    const row = record.images.get(index);
    const b64 = row === undefined ? null : await readBase64(row);
    filled.push({ index, b64_json: b64, ...(revised_prompt === undefined ? {} : { revised_prompt }) });
  }
  return filled;
}

/**
 * The line of a job without images: the upstream's answer, or that nothing was sent because the batch ended as it did
 * (`ending`). What was sent is never told as not executed, nor a job that ended by itself as the batch's doing.
 */
export function toFailureLine(record: JobRecord, job: PublicJob, ending: BatchStatus | null): OutputLine {
  const { status: end } = record;
  if ((end === 'expired' || end === 'cancelled') && end === ending && job.errors.every(isWithheld))
    return notMade(record.id, record.spec.customId, end);
  const { status, error } = toErrorResponse(record, job);
  return frame(record, status, { error });
}

/** The line of a request that never became a job: the batch was over first. */
export function notMade(id: string, customId: string | null, why: 'expired' | 'cancelled'): OutputLine {
  const message =
    why === 'expired'
      ? 'This request could not be executed before the completion window expired.'
      : 'This request was not executed because the batch was cancelled.';
  return {
    id: `batch_req_${id.slice(4)}`,
    custom_id: customId,
    response: null,
    error: { code: `batch_${why}`, message },
  };
}

/** The line of a request that validation refused (`on_invalid: skip`). */
export function toInvalidLine(id: string, customId: string | null, problems: readonly PublicError[]): OutputLine {
  const [error] = problems;
  const body = { error: { ...error, ...(problems.length > 1 ? { details: problems } : {}) } };
  return {
    id: `batch_req_${id.slice(4)}`,
    custom_id: customId,
    response: { status_code: error?.type === 'server_error' ? 500 : 400, request_id: id, body },
    error: null,
  };
}

function frame(record: JobRecord, status: number, body: unknown): OutputLine {
  return {
    id: `batch_req_${record.id.slice('job_'.length)}`,
    custom_id: record.spec.customId,
    response: { status_code: status, request_id: record.id, body },
    error: null,
  };
}
