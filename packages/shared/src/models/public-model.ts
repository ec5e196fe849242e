// One model as `GET /v1/models` shows it: OpenAI's model object plus the rules. snake_case is made here.
import type { LearnedModels } from './learned.ts';
import { isDeprecated, isRetired, OPERATIONS, shutdownDateOf } from './rules.ts';
import type { ModelRules } from './schema.ts';
import { replacementOf } from './translate.ts';

/** `created` is 0 where the release date is not known; money is USD. `now` in ms. */
export function toPublicModel(rules: ModelRules, now: number, learned?: LearnedModels) {
  return {
    id: rules.id,
    object: 'model' as const,
    created: rules.released === null ? 0 : Date.parse(rules.released) / 1_000,
    owned_by: 'openai',
    family: rules.family,
    snapshots: rules.snapshots,
    status: statusOf(rules, now, learned),
    shutdown_date: shutdownDateOf(rules, learned),
    replacement: replacementOf(rules)?.id ?? null,
    operations: OPERATIONS.filter((operation) => rules.operations[operation]),
    ...fieldsOf(rules),
    ...inputsOf(rules),
    prices: pricesOf(rules),
    as_of: rules.asOf,
    source: rules.source,
  };
}

function statusOf(rules: ModelRules, now: number, learned?: LearnedModels): ModelRules['status'] {
  if (isRetired(rules, now, learned)) return 'retired';
  return isDeprecated(rules, learned) ? 'deprecated' : 'live';
}

function fieldsOf(rules: ModelRules) {
  return {
    images_per_call: rules.n.max,
    prompt_max_length: rules.prompt.maxLength,
    sizes: rules.size.values,
    size_rule: sizeRuleOf(rules),
    default_size: rules.size.default,
    qualities: rules.quality.values,
    default_quality: rules.quality.default,
    styles: rules.style?.values ?? null,
    backgrounds: rules.background?.values ?? null,
    transparent_background: rules.background?.transparent ?? null,
    output_formats: rules.outputFormat?.values ?? null,
    preview_output_formats: rules.outputFormat?.previewOnly ?? [],
    moderation: rules.moderation?.values ?? null,
    complexity: rules.complexity?.values ?? null,
    input_fidelity: rules.inputFidelity?.values ?? null,
  };
}

function sizeRuleOf({ size }: ModelRules) {
  if (size.kind === 'list') return null;
  return {
    divisible_by: size.divisibleBy,
    max_aspect_ratio: size.maxAspect,
    max_edge: size.maxEdge,
    min_pixels: size.minPixels,
    max_pixels: size.maxPixels,
  };
}

function inputsOf({ inputImages, mask }: ModelRules) {
  return {
    input_images: inputImages && {
      formats: inputImages.formats,
      below_bytes: inputImages.belowBytes,
      min_count: inputImages.minCount,
      max_count: inputImages.maxCount,
      square_required: inputImages.squareRequired,
    },
    mask: mask && { format: mask.format, below_bytes: mask.belowBytes },
  };
}

function pricesOf({ prices }: ModelRules) {
  const tokens = prices.perMillionTokens;
  return {
    usd_per_image: prices.perImage,
    usd_per_million_tokens: tokens && {
      text_input: tokens.textInput,
      image_input: tokens.imageInput,
      text_output: tokens.textOutput,
      image_output: tokens.imageOutput,
    },
  };
}
