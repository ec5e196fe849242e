// The shapes of the job routes, for the OpenAPI document (`z.toJSONSchema`). They describe; the checks with OpenAI's
// wording are in submission.ts and validate.ts. What single models take is narrower: see `GET /v1/models`.
import * as z from 'zod';
import { MODELS, OPERATIONS } from '../models/rules.ts';
import { DEFAULT_EXPIRES_AFTER_SECONDS, MAX_EXPIRES_AFTER_SECONDS, METADATA_LIMITS, PRIORITIES } from './envelope.ts';
import { MAX_IMAGES } from './fields.ts';
import { JOB_EVENTS, LONGEST_WEBHOOK_URL } from './webhook.ts';

const operation = z.enum(OPERATIONS);
const priority = z.enum(PRIORITIES);
const unixSeconds = z.int().describe('Unix time in seconds.');
const usd = z.number().nullable().describe('US dollars; null when the price is not known.');
const index = z.int().min(0).describe('Which of the images asked for, from 0.');

/** A choice of every value any model takes. */
function anyValue(pick: (rules: (typeof MODELS)[number]) => readonly string[] | undefined) {
  return z.enum([...new Set(MODELS.flatMap((rules) => pick(rules) ?? []))]);
}

const longestPrompt = Math.max(...MODELS.map(({ prompt }) => prompt.maxLength));

const svgAuthor = z.strictObject({
  model: z.string().min(1).max(256),
  reasoning: z.strictObject({ effort: anyValue(({ svg }) => svg?.efforts).nullish() }).nullish(),
});

export const generationInputSchema = z
  .strictObject({
    prompt: z.string().min(1).max(longestPrompt).describe('What to draw; counted in Unicode code points.'),
    model: z.string().min(1).max(256).nullish().describe('Model id. Without it the default model is called.'),
    n: z.int().min(1).max(MAX_IMAGES).nullish().describe('Images to make, for every model. Default 1.'),
    size: z.string().nullish().describe("`WIDTHxHEIGHT` in pixels or `auto`, by the model's list or rule."),
    quality: anyValue(({ quality }) => quality.values)
      .nullish()
      .describe("By the model's list; the names of different generations do not compare."),
    style: anyValue(({ style }) => style?.values)
      .nullish()
      .describe('DALL·E 3 only; dropped with a warning when the model is translated.'),
    background: anyValue(({ background }) => background?.values)
      .nullish()
      .describe('`transparent` needs `output_format` png or webp.'),
    output_format: anyValue(({ outputFormat }) => [
      ...(outputFormat?.values ?? []),
      ...(outputFormat?.previewOnly ?? []),
    ])
      .nullish()
      .describe('Default png; gif and svg need preview access at OpenAI.'),
    output_compression: z.int().min(0).max(100).nullish().describe('Percent, for jpeg and webp.'),
    moderation: anyValue(({ moderation }) => moderation?.values)
      .nullish()
      .describe('Strictness of the content filter.'),
    complexity: anyValue(({ complexity }) => complexity?.values)
      .nullish()
      .describe('Computation spent on planning.'),
    frame_count: z.int().min(2).max(16).nullish().describe('Frames of a gif.'),
    frame_duration_ms: z.int().min(1).max(655_350).nullish().describe('Milliseconds each gif frame is shown.'),
    svg: svgAuthor.nullish().describe('Which model draws an svg, and with how much thought.'),
    safety_identifier: z.string().max(128).nullish().describe('Stable hashed id of your end user.'),
    user: z.string().nullish().describe('Old name of `safety_identifier`.'),
    response_format: z
      .enum(['url', 'b64_json'])
      .nullish()
      .describe('On `/v1/images/*` only; without effect on `/v1/jobs`. Works with every model.'),
    stream: z.literal(false).nullish().describe('Streaming is not available.'),
    partial_images: z.literal(0).nullish().describe('Streaming is not available.'),
  })
  .meta({ id: 'GenerationInput' });

const webhook = z.strictObject({
  url: z.string().min(1).max(LONGEST_WEBHOOK_URL).describe('http or https; not a private address.'),
  events: z
    .array(z.enum(JOB_EVENTS))
    .min(1)
    .max(JOB_EVENTS.length)
    .nullish()
    .describe('Which events are sent. Default: those that end the job.'),
});

export const jobSubmissionSchema = z
  .strictObject({
    operation: operation.describe('`edit` and `variation` are not available yet.'),
    input: generationInputSchema,
    webhook: webhook.nullish().describe('Who hears of the job, signed as Standard Webhooks asks.'),
    metadata: z
      .record(z.string().max(METADATA_LIMITS.key), z.string().max(METADATA_LIMITS.value).nullable())
      .refine((pairs) => Object.keys(pairs).length <= METADATA_LIMITS.pairs)
      .nullish()
      .describe(`At most ${METADATA_LIMITS.pairs} pairs and ${METADATA_LIMITS.bytes} bytes of JSON.`),
    priority: priority.nullish().describe('Default normal.'),
    expires_after: z
      .int()
      .min(1)
      .max(MAX_EXPIRES_AFTER_SECONDS)
      .nullish()
      .describe(`Seconds until a call not yet sent is given up. Default ${DEFAULT_EXPIRES_AFTER_SECONDS}.`),
    dry_run: z.boolean().nullish().describe('Answer with the plan; queue nothing.'),
  })
  .meta({ id: 'JobSubmission' });

const publicError = {
  message: z.string(),
  type: z.string(),
  param: z.string().nullable(),
  code: z.string().nullable(),
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
  possible_extra_cost_usd: usd.describe('Upper bound over attempts of unknown outcome; null when no price is known.'),
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
    expected_wait_seconds: z.number().nullable().describe('null when no rate is known yet.'),
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
