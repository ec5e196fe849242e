// Batches as they stand in the OpenAPI document. They document; batch-submission.ts and batch-line.ts check.
import { z } from 'zod';
import { envelopeShape } from './envelope-schemas.ts';

const endpoint = z.enum(['/v1/images/generations', '/v1/images/edits', '/v1/images/variations']);
const { metadata, priority } = envelopeShape;

const problem = z.object({
  code: z.string(),
  line: z.int().nullable().describe('Line of the input, counted from 1.'),
  message: z.string(),
  param: z.string().nullable(),
});

const problems = z.object({ object: z.literal('list'), data: z.array(problem) });

export const batchSubmissionSchema = z
  .object({
    input_file_id: z.string().optional().describe('A JSONL file uploaded with purpose `batch`.'),
    requests: z
      .array(
        z.object({
          custom_id: z.string(),
          operation: z.enum(['generation', 'edit', 'variation']).optional(),
          url: endpoint.optional(),
          body: z.record(z.string(), z.unknown()),
        }),
      )
      .min(1)
      .max(1_000)
      .optional()
      .describe('Requests in the body itself, instead of a file.'),
    endpoint: endpoint.optional().describe('The endpoint all lines address; needed with `input_file_id`.'),
    completion_window: z.string().describe('`1h` to `24h`: what is not done by then expires.'),
    on_invalid: z.enum(['reject', 'skip']).optional().describe('What a line that is refused does to the batch.'),
    priority,
    metadata,
    webhook: z
      .object({ url: z.string(), events: z.array(z.string()).optional() })
      .optional()
      .describe('Hears of the batch: `batch.completed`, `batch.failed`, `batch.expired`, `batch.cancelled`.'),
    dry_run: z.boolean().optional().describe('Counts, problems and cost; nothing is recorded.'),
  })
  .meta({ id: 'BatchSubmission' });

const time = z.int().nullable().describe('Unix seconds.');

export const batchSchema = z
  .object({
    id: z.string(),
    object: z.literal('batch'),
    endpoint: endpoint.nullable(),
    errors: problems.nullable(),
    input_file_id: z.string().nullable(),
    completion_window: z.string(),
    status: z.enum([
      'validating',
      'failed',
      'in_progress',
      'finalizing',
      'completed',
      'expired',
      'cancelling',
      'cancelled',
    ]),
    output_file_id: z.string().nullable(),
    error_file_id: z.string().nullable(),
    created_at: time,
    in_progress_at: time,
    expires_at: time,
    finalizing_at: time,
    completed_at: time,
    failed_at: time,
    expired_at: time,
    cancelling_at: time,
    cancelled_at: time,
    request_counts: z.object({ total: z.int(), completed: z.int(), failed: z.int() }),
    usage: z.object({
      input_tokens: z.int(),
      input_tokens_details: z.object({ cached_tokens: z.int() }),
      output_tokens: z.int(),
      output_tokens_details: z.object({ reasoning_tokens: z.int() }),
      total_tokens: z.int(),
    }),
    metadata: z.record(z.string(), z.string()),
    on_invalid: z.enum(['reject', 'skip']),
    priority: z.enum(['high', 'normal', 'low']),
    run: z.int(),
    progress: z.object({
      requests_submitted: z.int(),
      requests_invalid: z.int(),
      images_completed: z.int(),
      cost_usd: z.number().nullable().describe('So far; null when a price is not known.'),
      requests_per_minute: z.number().nullable(),
      eta: time,
    }),
  })
  .meta({ id: 'Batch' });

export const batchListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(batchSchema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'BatchList' });

export const batchPlanSchema = z
  .object({
    object: z.literal('batch.plan'),
    request_counts: z.object({ total: z.int(), valid: z.int(), invalid: z.int() }),
    errors: problems.nullable(),
    images: z.int(),
    calls: z.int(),
    estimated_cost_usd: z.number().nullable(),
    max_cost_usd: z.number().nullable(),
  })
  .meta({ id: 'BatchPlan' });
