// The fields of OpenAI's image requests that hold no image, by operation, for the OpenAPI document. They describe; what
// single models take is narrower: see `GET /v1/models`.
import * as z from 'zod';
import { MODELS } from '../models/rules.ts';
import { MAX_IMAGES } from './fields.ts';

/** A choice of every value any model takes. */
function anyValue(pick: (rules: (typeof MODELS)[number]) => readonly string[] | undefined) {
  return z.enum([...new Set(MODELS.flatMap((rules) => pick(rules) ?? []))]);
}

const longestPrompt = Math.max(...MODELS.map(({ prompt }) => prompt.maxLength));

const svgAuthor = z.strictObject({
  model: z.string().min(1).max(256),
  reasoning: z.strictObject({ effort: anyValue(({ svg }) => svg?.efforts).nullish() }).nullish(),
});

/** All three operations have these, variations no others. */
export const variationFields = {
  model: z.string().min(1).max(256).nullish().describe('Model id. Without it the default model is called.'),
  n: z.int().min(1).max(MAX_IMAGES).nullish().describe('Images to make, for every model. Default 1.'),
  size: z.string().nullish().describe("`WIDTHxHEIGHT` in pixels or `auto`, by the model's list or rule."),
  user: z.string().nullish().describe('Old name of `safety_identifier`.'),
  response_format: z
    .enum(['url', 'b64_json'])
    .nullish()
    .describe('On `/v1/images/*` and in batches; without effect on `/v1/jobs`. Works with every model.'),
  stream: z.literal(false).nullish().describe('Streaming is not available.'),
  partial_images: z.literal(0).nullish().describe('Streaming is not available.'),
};

/** Fields of generations and edits. */
const drawing = {
  ...variationFields,
  prompt: z.string().min(1).max(longestPrompt).describe('What to draw; counted in Unicode code points.'),
  quality: anyValue(({ quality }) => quality.values)
    .nullish()
    .describe("By the model's list; the names of different generations do not compare."),
  background: anyValue(({ background }) => background?.values)
    .nullish()
    .describe('`transparent` needs `output_format` png or webp.'),
  output_format: anyValue(({ outputFormat }) => [...(outputFormat?.values ?? []), ...(outputFormat?.previewOnly ?? [])])
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
};

export const generationFields = {
  ...drawing,
  style: anyValue(({ style }) => style?.values)
    .nullish()
    .describe('DALL·E 3 only; dropped with a warning when the model is translated.'),
};

export const editFields = {
  ...drawing,
  input_fidelity: anyValue(({ inputFidelity }) => inputFidelity?.values)
    .nullish()
    .describe('How closely the input images are kept, for models that let one choose.'),
};
