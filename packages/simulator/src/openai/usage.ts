/**
 * The `usage` of a reply and its price. Output tokens follow the published tables or OpenAI's calculator formula
 * (community, 2026); text tokens are approximated, since the tokenizer is not part of this simulator.
 */
import type { InputImage, ResolvedRequest } from './image-request.ts';
import type { Model } from './models.ts';

export interface Usage {
  total_tokens: number;
  input_tokens: number;
  output_tokens: number;
  input_tokens_details: { text_tokens: number; image_tokens: number };
  output_tokens_details: { text_tokens: number; image_tokens: number };
}

/** Seen on generations: six tokens around the prompt (community, 2026-06-25). */
const TEXT_OVERHEAD_TOKENS = 6;
const CHARACTERS_PER_TOKEN = 4;

/** gpt-image-1 and 1.5: 65 + 129 per tile of 512 px (one tile seen live as 194). */
const TILE = { edge: 512, base: 65, each: 129 };
/** gpt-image-2 on: patches of 32 px, at most 1,536, small images enlarged to a long side of 1,024. */
const PATCH = { edge: 32, budget: 1536, minLongSide: 1024 };

/** `images`: how many were made and are paid. */
export function usageOf(request: ResolvedRequest, images: number): Usage {
  const text = textTokens(request.prompt);
  const input = [...request.inputs, ...(request.mask === null ? [] : [request.mask])]
    .map((image) => inputImageTokens(request.model, image))
    .reduce((sum, tokens) => sum + tokens, 0);
  const output = outputTokensPerImage(request) * images;
  return {
    total_tokens: text + input + output,
    input_tokens: text + input,
    output_tokens: output,
    input_tokens_details: { text_tokens: text, image_tokens: input },
    output_tokens_details: { text_tokens: 0, image_tokens: output },
  };
}

/** What a request weighs on the tokens-per-minute limit before it is run. */
export function estimateTokens(request: ResolvedRequest): number {
  return usageOf(request, request.n).total_tokens;
}

/** USD for `images` images: by the image for DALL-E, by tokens for the others. */
export function costUsd(request: ResolvedRequest, images: number): number {
  const { prices } = request.model;
  if (!request.model.usage) {
    const table = request.quality === 'hd' ? prices.hd : prices.standard;
    return (table?.[request.size] ?? 0) * images;
  }
  const usage = usageOf(request, images);
  const micro =
    usage.input_tokens_details.text_tokens * (prices.textInput ?? 0) +
    usage.input_tokens_details.image_tokens * (prices.imageInput ?? 0) +
    usage.output_tokens * (prices.imageOutput ?? 0);
  return Math.round(micro) / 1e6;
}

function textTokens(prompt: string): number {
  return Math.ceil(Array.from(prompt).length / CHARACTERS_PER_TOKEN) + TEXT_OVERHEAD_TOKENS;
}

export function outputTokensPerImage(request: ResolvedRequest): number {
  const { model, quality, size, width, height } = request;
  const factor = model.outputTokens?.axisFactors?.[quality];
  if (factor !== undefined) return calculatorTokens(factor, width, height);
  const listed = model.outputTokens?.table[size]?.[quality];
  if (listed !== undefined) return listed;
  return tokensFromPrice(model, quality, size);
}

/** OpenAI's calculator, as reverse-engineered; reproduces all four values known from it. */
function calculatorTokens(factor: number, width: number, height: number): number {
  const long = Math.max(width, height);
  const short = Math.min(width, height);
  const steps = Math.floor((2 * factor * short + long) / (2 * long));
  return Math.ceil((factor * steps * (2_000_000 + width * height)) / 4_000_000);
}

/** Models without published counts: the count that gives the published price per image. */
function tokensFromPrice(model: Model, quality: string, size: string): number {
  const usd = model.prices.perImage?.[quality]?.[size];
  if (usd === undefined || model.prices.imageOutput === undefined) return 0;
  return Math.round((usd * 1e6) / model.prices.imageOutput);
}

function inputImageTokens(model: Model, image: InputImage): number {
  if (model.outputTokens?.axisFactors === undefined) {
    return TILE.base + TILE.each * Math.ceil(image.width / TILE.edge) * Math.ceil(image.height / TILE.edge);
  }
  const enlarge = Math.max(1, PATCH.minLongSide / Math.max(image.width, image.height));
  const patches = Math.ceil((image.width * enlarge) / PATCH.edge) * Math.ceil((image.height * enlarge) / PATCH.edge);
  return Math.min(PATCH.budget, patches);
}
