// The shape of openai.json and the checks that make a bad data file fail loudly at load. The types of the rules are
// inferred from here. `null` always means: the model does not take that field, or the fact is not known (prices).
import * as z from 'zod';

const date = z.iso.date();
const count = z.int().positive();
const usd = z.number().positive();
/** `WIDTHxHEIGHT` in pixels. */
const dimensions = z.string().regex(/^\d+x\d+$/);

/** One of some words. */
const choice = z.strictObject({ values: z.array(z.string()).nonempty(), default: z.string() });
const range = z.strictObject({ min: z.int(), max: z.int(), default: z.int() });
const sizeValues = { values: z.array(z.string()).nonempty(), default: z.string() };

const listSize = z.strictObject({ kind: z.literal('list'), ...sizeValues });
/** Any size that keeps the rule (openai-images.md 2.3); `values` are the named ones. Edges in pixels. */
const ruleSize = z.strictObject({
  kind: z.literal('rule'),
  ...sizeValues,
  divisibleBy: count,
  maxAspect: z.number().min(1),
  maxEdge: count,
  minPixels: count,
  maxPixels: count,
});

const background = choice.extend({
  /** How sure it is that `transparent` works; the upstream decides. */
  transparent: z.enum(['supported', 'preview', 'unconfirmed']),
  transparentNeedsFormat: z.array(z.string()).nonempty(),
});
/** `previewOnly`: taken too, where the project has OpenAI's preview access. */
const outputFormat = choice.extend({ previewOnly: z.array(z.string()) });

/** `belowBytes`: an image must be smaller than this. */
const inputImages = z.strictObject({
  formats: z.array(z.string()).nonempty(),
  belowBytes: count,
  minCount: count,
  maxCount: count,
  squareRequired: z.boolean(),
});
/** `fromImageAlpha`: without a mask the image's own transparent area is the mask. */
const mask = z.strictObject({ format: z.string(), belowBytes: count, fromImageAlpha: z.boolean() });

/** USD. `perImage`: quality → size → price of the output. */
const prices = z.strictObject({
  perImage: z.record(z.string(), z.record(dimensions, usd)).nullable(),
  perMillionTokens: z
    .strictObject({ textInput: usd, imageInput: usd, textOutput: usd.nullable(), imageOutput: usd })
    .nullable(),
});

/** Tokens of one output image: a table size → quality → tokens, or the calculator's formula over quality factors. */
const outputTokens = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('table'), table: z.record(dimensions, z.record(z.string(), count)) }),
  z.strictObject({ kind: z.literal('formula'), axisFactors: z.record(z.string(), count) }),
]);

/**
 * `json` null: the upstream takes edits as forms only. `onlyFields` stand in the JSON schema and not in the form's
 * (openai-images.md 2.2); `maxUrlLength`: characters of an `image_url`.
 */
const edit = z.strictObject({
  json: z.strictObject({ onlyFields: z.array(z.string()), maxUrlLength: count }).nullable(),
});

const text = z.strictObject({ maxLength: count.nullable() });

const modelRules = z.strictObject({
  id: z.string().regex(/^[a-z0-9.-]+$/),
  family: z.string().regex(/^[a-z0-9.-]+$/),
  snapshots: z.array(z.string()),
  status: z.enum(['live', 'deprecated', 'retired']),
  /** `YYYY-MM` or `YYYY-MM-DD`. */
  released: z
    .string()
    .regex(/^\d{4}-\d{2}(-\d{2})?$/)
    .nullable(),
  /** Day of the notice (developers.openai.com/api/docs/deprecations, read 2026-11-22); null when none is known. */
  deprecatedOn: date.nullable(),
  /** First UTC day on which the model no longer answers. */
  shutdownDate: date.nullable(),
  asOf: date,
  source: z.string().min(1),
  /** What the model can or could do, whether it still answers or not. */
  operations: z.strictObject({ generation: z.boolean(), edit: z.boolean(), variation: z.boolean() }),
  /** Images of one upstream call. */
  n: range,
  /** Lengths in Unicode code points. */
  prompt: z.strictObject({ minLength: count, maxLength: count }),
  size: z.discriminatedUnion('kind', [listSize, ruleSize]),
  quality: choice,
  style: choice.nullable(),
  background: background.nullable(),
  outputFormat: outputFormat.nullable(),
  outputCompression: range.extend({ formats: z.array(z.string()).nonempty() }).nullable(),
  responseFormat: choice.nullable(),
  moderation: choice.nullable(),
  complexity: choice.nullable(),
  inputFidelity: choice.nullable(),
  /** `notWith`: image fields that do not go with GIF output (openai npm 7.57.0, `ImageEditParams.frame_count`). */
  gif: z.strictObject({ notWith: z.array(z.literal('mask')), frameCount: range, frameDurationMs: range }).nullable(),
  /** `n`: images of one call with SVG output. `separateUsage`: part of the cost is not in `usage`. */
  svg: z.strictObject({ n: count, efforts: z.array(z.string()), separateUsage: z.boolean() }).nullable(),
  safetyIdentifier: text.nullable(),
  user: text.nullable(),
  inputImages: inputImages.nullable(),
  mask: mask.nullable(),
  markup: z.strictObject({ notWith: z.literal('mask') }).nullable(),
  edit: edit.nullable(),
  prices,
  /** The most tokens one input image is said to take: good for a guess, no basis for a price. */
  inputImageTokens: count.nullable(),
  outputTokens: outputTokens.nullable(),
});

const words = z.record(z.string(), z.string());
/** Retired → replacement. Of `models` the first row that fits wins; `quality: null` fits every quality. */
const migration = z.strictObject({
  models: z.array(z.strictObject({ from: z.string(), quality: z.string().nullable(), to: z.string() })),
  quality: words,
  size: z.strictObject({ ruleTargets: words, listTargets: words, downscale: z.array(dimensions) }),
  rename: words,
  /** What was called in DALL·E's days when no model was named (openai npm 6.49.0, `ImageGenerateParams.model`). */
  unnamed: z.string(),
});

export const dataSchema = z
  .strictObject({ asOf: date, models: z.array(modelRules).nonempty(), migration })
  .superRefine((data, context) => {
    for (const message of inconsistencies(data)) context.addIssue({ code: 'custom', message });
  });

export type ModelRules = z.infer<typeof modelRules>;
export type RuleSize = z.infer<typeof ruleSize>;
export type Migration = z.infer<typeof migration>;

/** What the field types alone cannot say: names are unique, defaults are allowed, every migration leads somewhere. */
function inconsistencies(data: { models: ModelRules[]; migration: Migration }): string[] {
  const ids = data.models.map((model) => model.id);
  const names = data.models.flatMap((model) => [model.id, ...model.snapshots]);
  const rows = data.migration.models;
  return [
    ...names.filter((name, i) => names.indexOf(name) !== i).map((name) => `${name} is named twice`),
    ...data.models.flatMap(defaultsOutside),
    ...data.models.flatMap(editsWithoutImages),
    ...rows
      .flatMap(({ from, to }) => [from, to])
      .concat(data.migration.unnamed)
      .flatMap((id) => (ids.includes(id) ? [] : `migration: no model ${id}`)),
    ...data.models
      .filter(({ id, status }) => status !== 'live' && !rows.some((row) => row.from === id && row.quality === null))
      .map(({ id }) => `migration: ${id} has no replacement`),
  ];
}

function editsWithoutImages({ id, operations, edit: wire, inputImages: images }: ModelRules): string[] {
  const takesImages = operations.edit || operations.variation;
  return [
    ...(operations.edit === (wire !== null) ? [] : [`${id}: edit says how edits are sent, of models that have them`]),
    ...(takesImages === (images !== null) ? [] : [`${id}: inputImages belongs to models that take images`]),
  ];
}

function defaultsOutside(model: ModelRules): string[] {
  const { size, quality, style, background, outputFormat, moderation, complexity, inputFidelity } = model;
  const choices = { size, quality, style, background, outputFormat, moderation, complexity, inputFidelity };
  return Object.entries(choices).flatMap(([field, rule]) =>
    rule === null || rule.values.includes(rule.default)
      ? []
      : `${model.id}: default of ${field} is not among its values`,
  );
}
