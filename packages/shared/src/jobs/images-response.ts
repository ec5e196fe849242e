// A job's outcome in the shape of OpenAI's own replies: ImagesResponse, or an error with its status.
import { type PublicError, ServiceError, toPublicError } from '../base/errors.ts';
import type { PublicJob } from './public-job.ts';
import type { JobRecord } from './record.ts';

/** One image of the reply; the bytes of `b64_json` are filled in by whoever writes it. */
export interface ResponseImage {
  readonly index: number;
  readonly url: string;
  readonly revised_prompt?: string;
}

export function toImagesResponse(record: JobRecord, job: PublicJob) {
  const { usage } = job;
  return {
    created: job.finished_at ?? job.created_at ?? 0,
    data: job.images.map(
      (image): ResponseImage => ({
        index: image.index,
        url: image.url,
        ...(image.revised_prompt === null ? {} : { revised_prompt: image.revised_prompt }),
      }),
    ),
    output_format: record.spec.outputFormat,
    usage: {
      input_tokens: usage.input_tokens,
      // A generation's input is its prompt alone.
      input_tokens_details: { text_tokens: usage.input_tokens, image_tokens: 0 },
      output_tokens: usage.output_tokens,
      total_tokens: usage.total_tokens,
    },
  };
}

/** The first error of a job without images, and the HTTP status it is answered with: the upstream's own if it had one. */
export function toErrorResponse(record: JobRecord, job: PublicJob): { status: number; error: PublicError } {
  const stored = record.calls.find((call) => call.outcome !== 'succeeded')?.error ?? null;
  const fallback = new ServiceError('internal_error', 'The job ended without images and without an error.');
  const error: PublicError = job.errors[0] ?? toPublicError(fallback);
  return {
    status: stored?.status ?? 500,
    error: { message: error.message, type: error.type, param: error.param, code: error.code },
  };
}
