// A job's outcome in the shape of OpenAI's own replies: ImagesResponse, or an error with its status.
import { ERROR_CODES, type PublicError, ServiceError, toPublicError } from '../base/errors.ts';
import { findModel } from '../models/rules.ts';
import { isWithheld, type PublicJob } from './public-job.ts';
import type { JobRecord, ReplyEcho, StoredError } from './record.ts';
import type { JobSpec } from './spec.ts';

/** One image of the reply; the bytes of `b64_json` are filled in by whoever writes it. */
export interface ResponseImage {
  readonly index: number;
  readonly url: string;
  readonly revised_prompt?: string;
}

/** How a reply of `/v1/images/*` carries the images: as asked, else links for who asked for a model that had them. */
export function responseFormatOf({ responseFormat, requestedModel, model }: JobSpec): 'url' | 'b64_json' {
  if (responseFormat !== null) return responseFormat;
  const rules = findModel(requestedModel ?? model);
  return rules === null || rules.responseFormat === null ? 'b64_json' : 'url';
}

export function toImagesResponse(record: JobRecord, job: PublicJob) {
  return {
    created: job.finished_at ?? job.created_at ?? 0,
    data: job.images.map(
      (image): ResponseImage => ({
        index: image.index,
        url: image.url,
        ...(image.revised_prompt === null ? {} : { revised_prompt: image.revised_prompt }),
      }),
    ),
    ...echoOf(record),
    ...(isMetered(record) ? { usage: usageOf(record, job) } : {}),
  };
}

/** What the images are: as the upstream said, else as it was asked; `auto` says nothing. */
function echoOf({ spec, attempts }: JobRecord): ReplyEcho {
  const told = attempts.find(({ echo }) => echo !== undefined)?.echo ?? {};
  const { background, quality, size } = { ...spec.body, ...told } as Readonly<Record<string, unknown>>;
  const delivered = spec.downscaleTo === null ? size : `${spec.downscaleTo.width}x${spec.downscaleTo.height}`;
  return {
    ...known('background', background),
    output_format: told.output_format ?? spec.outputFormat,
    ...known('quality', quality),
    ...known('size', delivered),
  };
}

function known(name: keyof ReplyEcho, value: unknown): ReplyEcho {
  return typeof value === 'string' && value !== 'auto' ? { [name]: value } : {};
}

/** DALL·E models tell no tokens; 0 would be a lie. */
function isMetered({ attempts }: JobRecord): boolean {
  return attempts.some(({ inputTokens }) => inputTokens !== undefined);
}

function usageOf({ attempts }: JobRecord, { usage }: PublicJob) {
  const imageTokens = attempts.reduce((sum, { inputImageTokens = 0 }) => sum + inputImageTokens, 0);
  return {
    input_tokens: usage.input_tokens,
    input_tokens_details: { text_tokens: usage.input_tokens - imageTokens, image_tokens: imageTokens },
    output_tokens: usage.output_tokens,
    total_tokens: usage.total_tokens,
  };
}

/**
 * The first error of a job without images, of what was requested rather than withheld, and the HTTP status it is answered
 * with: the upstream's own if it had one.
 */
export function toErrorResponse(record: JobRecord, job: PublicJob): { status: number; error: PublicError } {
  const told = job.errors.find((error) => !isWithheld(error)) ?? job.errors[0];
  const stored = record.calls.find((_, k) => told && record.spec.calls[k]?.includes(told.index))?.error ?? null;
  const fallback = new ServiceError('internal_error', 'The job ended without images and without an error.');
  const { message, type, param, code, moderation_details: moderation } = told ?? toPublicError(fallback);
  const error: PublicError = {
    message,
    type,
    param,
    code,
    ...(moderation === undefined ? {} : { moderation_details: moderation }),
  };
  return { status: statusOf(stored, error.code), error };
}

/** A 2xx without images is no status to answer with. */
function statusOf(stored: StoredError | null, code: string | null): number {
  if (stored?.status !== undefined) return stored.status >= 400 ? stored.status : ERROR_CODES.upstream_error.status;
  const own = Object.entries(ERROR_CODES).find(([name]) => name === code)?.[1];
  return own?.status ?? ERROR_CODES.internal_error.status;
}
