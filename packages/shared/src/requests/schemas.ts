// The shapes of the job routes, for the OpenAPI document (`z.toJSONSchema`). They describe; the checks with OpenAI's
// wording are in submission.ts and validate.ts.
import * as z from 'zod';
import { OPERATIONS, type Operation } from '../models/rules.ts';
import { PRIORITIES } from './envelope.ts';
import { envelopeShape } from './envelope-schemas.ts';
import { editInputSchema, generationInputSchema, variationInputSchema } from './input-schemas.ts';

const operation = z.enum(OPERATIONS);
const priority = z.enum(PRIORITIES);
const unixSeconds = z.int().describe('Unix time in seconds.');
const usd = z.number().nullable().describe('US dollars; null when the price is not known.');
const index = z.int().min(0).describe('Which of the images asked for, from 0.');

/** The envelope and OpenAI's body of one operation. */
function submissionOf<O extends Operation, I extends z.ZodType>(name: O, input: I) {
  return z.strictObject({
    operation: z.literal(name),
    input,
    ...envelopeShape,
    dry_run: z.boolean().nullish().describe('Answer with the plan; queue nothing.'),
  });
}

export const jobSubmissionSchema = z
  .discriminatedUnion('operation', [
    submissionOf('generation', generationInputSchema),
    submissionOf('edit', editInputSchema),
    submissionOf('variation', variationInputSchema),
  ])
  .meta({ id: 'JobSubmission' });

const moderation = z.object({
  moderation_stage: z.string().describe('`input`, `output` or `unknown`.'),
  categories: z.array(z.string()),
});

const publicError = {
  message: z.string(),
  type: z.string(),
  param: z.string().nullable(),
  code: z.string().nullable(),
  moderation_details: moderation.optional().describe('With `moderation_blocked`, when the upstream gave them.'),
};

export const errorSchema = z
  .object({
    error: z.object({
      ...publicError,
      details: z.array(z.object(publicError)).optional().describe('All problems, when there are several.'),
    }),
  })
  .meta({ id: 'Error', description: "OpenAI's error body." });

export const imageSchema = z
  .object({
    id: z.string(),
    index,
    url: z.string(),
    url_expires_at: unixSeconds.nullable(),
    content_type: z.string(),
    bytes: z.int(),
    width: z.int().nullable(),
    height: z.int().nullable(),
    sha256: z.string(),
    revised_prompt: z.string().nullable(),
  })
  .meta({ id: 'Image' });

const progress = z.object({
  images_requested: z.int(),
  images_completed: z.int(),
  images_failed: z.int(),
  images_withheld: z.int().describe('Not requested, because the job was cancelled or had expired.'),
});

const usage = z.object({
  images: z.int(),
  input_tokens: z.int(),
  output_tokens: z.int(),
  total_tokens: z.int(),
  cost_usd: usd,
  possible_extra_cost_usd: usd.describe(
    'The most that attempts of unknown outcome, and replies that came short or broke off, may have cost besides; null when no price is known.',
  ),
});

export const jobSchema = z
  .object({
    id: z.string(),
    object: z.literal('job'),
    operation,
    status: z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled', 'expired']),
    model: z.string().describe('The model called.'),
    requested_model: z.string().nullable().describe('The model as sent; null when it was left out.'),
    created_at: unixSeconds,
    started_at: unixSeconds.nullable(),
    finished_at: unixSeconds.nullable(),
    expires_at: unixSeconds,
    cancel_requested_at: unixSeconds.nullable(),
    run: z.int().min(1),
    queue_position: z
      .int()
      .min(0)
      .nullable()
      .describe('Calls that go before its first waiting one, of all accounts; null when none of its calls is in line.'),
    expected_wait_seconds: z
      .int()
      .min(0)
      .nullable()
      .describe('Until its first waiting call starts, at the present rate; null when that is not known.'),
    input: z.record(z.string(), z.unknown()).describe('The request as accepted.'),
    progress,
    images: z.array(imageSchema),
    errors: z.array(z.object({ index, ...publicError, upstream_request_id: z.string().nullable() })),
    error: z.object(publicError).nullable().describe('The first of errors, unless completed.'),
    usage,
    warnings: z.array(z.string()),
    metadata: z.record(z.string(), z.string()),
    batch_id: z.string().nullable(),
    custom_id: z.string().nullable(),
    priority,
  })
  .meta({ id: 'Job' });

export const jobListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(jobSchema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'JobList' });

export const attemptSchema = z
  .object({
    object: z.literal('attempt'),
    call: z.int().min(0),
    attempt: z.int().min(1),
    run: z.int().min(1),
    image_indexes: z.array(index),
    started_at: unixSeconds,
    ended_at: unixSeconds.nullable(),
    outcome: z.enum(['succeeded', 'rejected', 'failed', 'unknown']).nullable().describe('null while open.'),
    status: z.int().nullable().describe('HTTP status of the upstream.'),
    code: z.string().nullable(),
    upstream_request_id: z.string().nullable(),
    duration_ms: z.int().nullable(),
    cost_usd: usd,
    possible_extra_cost_usd: usd,
  })
  .meta({ id: 'Attempt' });

export const attemptListSchema = z
  .object({ object: z.literal('list'), data: z.array(attemptSchema) })
  .meta({ id: 'AttemptList' });

export const dryRunSchema = z
  .object({
    object: z.literal('job.plan'),
    operation,
    model: z.string(),
    requested_model: z.string().nullable(),
    calls: z.array(z.object({ index: z.int(), images: z.array(index) })),
    body: z.record(z.string(), z.unknown()).describe('What each call sends, without n.'),
    warnings: z.array(z.string()),
    estimated_cost_usd: usd,
    max_cost_usd: usd,
    expected_wait_seconds: z
      .number()
      .nullable()
      .describe('null when no rate is known yet, or the image storage is away.'),
  })
  .meta({ id: 'JobPlan' });

const words = z.array(z.string());

export const modelSchema = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: unixSeconds.describe('Release date; 0 when not known.'),
    owned_by: z.string(),
    family: z.string().describe('Limits can be set for it.'),
    snapshots: words,
    status: z.enum(['live', 'deprecated', 'retired']),
    shutdown_date: z.string().nullable(),
    replacement: z.string().nullable(),
    operations: z.array(operation),
    images_per_call: z.int(),
    prompt_max_length: z.int(),
    sizes: words,
    size_rule: z
      .object({
        divisible_by: z.int(),
        max_aspect_ratio: z.number(),
        max_edge: z.int(),
        min_pixels: z.int(),
        max_pixels: z.int(),
      })
      .nullable()
      .describe('Any size that keeps it is taken; null: the listed sizes only.'),
    default_size: z.string(),
    qualities: words,
    default_quality: z.string(),
    styles: words.nullable(),
    backgrounds: words.nullable(),
    transparent_background: z.enum(['supported', 'preview', 'unconfirmed']).nullable(),
    output_formats: words.nullable(),
    preview_output_formats: words,
    moderation: words.nullable(),
    complexity: words.nullable(),
    input_fidelity: words.nullable(),
    input_images: z
      .object({
        formats: words,
        below_bytes: z.int(),
        min_count: z.int(),
        max_count: z.int(),
        square_required: z.boolean(),
      })
      .nullable(),
    mask: z.object({ format: z.string(), below_bytes: z.int() }).nullable(),
    prices: z.object({
      usd_per_image: z.record(z.string(), z.record(z.string(), z.number())).nullable(),
      usd_per_million_tokens: z
        .object({
          text_input: z.number(),
          image_input: z.number(),
          text_output: z.number().nullable(),
          image_output: z.number(),
        })
        .nullable(),
    }),
    as_of: z.string(),
    source: z.string(),
  })
  .meta({ id: 'Model' });

export const modelListSchema = z
  .object({ object: z.literal('list'), data: z.array(modelSchema) })
  .meta({ id: 'ModelList' });
