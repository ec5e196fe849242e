// Price of a call before (estimate, upper bound) and after (usage), in integer micro-USD, rounded up once at the end.
// A price nobody published is null, never 0.
import { dearestOutputNanoUsd, nanoPerToken, outputNanoUsd } from './output-price.ts';
import { findModel } from './rules.ts';
import type { ModelRules } from './schema.ts';
import { codePointsOf } from './text.ts';

/** The body as sent upstream, without `n`. */
export type UpstreamBody = Readonly<Record<string, unknown>>;

/** `usage` of an upstream reply; anything may be missing. It has no cached counts, so costs from it are never too low. */
export interface UpstreamUsage {
  input_tokens?: number;
  output_tokens?: number;
  total_tokens?: number;
  input_tokens_details?: { text_tokens?: number; image_tokens?: number };
  output_tokens_details?: { text_tokens?: number; image_tokens?: number };
}

type TokenPrices = NonNullable<ModelRules['prices']['perMillionTokens']>;

/** Tokens the upstream adds to every prompt of a generation (openai-images.md 6.4). */
const PROMPT_OVERHEAD_TOKENS = 6;
/** English prose has about four characters a token. */
const CHARACTERS_PER_TOKEN = 4;
const IMAGE_FIELDS = ['images', 'mask', 'markup'];

/**
 * Expected price of one call for `images` images; the prompt counts once. Null when it cannot be known before: an
 * unknown model, quality or size `auto`, a preview format, input images that are charged by tokens.
 */
export function estimateMicroUsd(model: string, body: UpstreamBody, images: number): number | null {
  const rules = findModel(model);
  if (rules === null || isUnforeseeable(rules, body)) return null;
  const output = outputNanoUsd(rules, qualityOf(rules, body), sizeOf(rules, body));
  if (output === null) return null;
  const promptTokens = Math.ceil(codePointsOf(promptOf(body)) / CHARACTERS_PER_TOKEN) + PROMPT_OVERHEAD_TOKENS;
  return toMicroUsd(images * output + promptTokens * textInputNano(rules));
}

/**
 * The most a call for `images` images can cost: `auto` is the dearest quality and size, every UTF-8 byte of the prompt
 * a token (byte-pair encodings never make more), and the prompt is charged for each image. Null as for the estimate,
 * except that `auto` has a bound.
 */
export function upperBoundMicroUsd(model: string, body: UpstreamBody, images: number): number | null {
  const rules = findModel(model);
  if (rules === null || isUnforeseeable(rules, body)) return null;
  const output = dearestOutputNanoUsd(rules, qualityOf(rules, body), sizeOf(rules, body));
  if (output === null) return null;
  const promptTokens = Buffer.byteLength(promptOf(body)) + PROMPT_OVERHEAD_TOKENS;
  return toMicroUsd(images * (output + promptTokens * textInputNano(rules)));
}

/** What a call that returned `images` images cost: by `usage`, or by the price list for models without tokens. */
export function actualMicroUsd(
  model: string,
  body: UpstreamBody,
  images: number,
  usage: UpstreamUsage | null,
): number | null {
  const rules = findModel(model);
  if (rules === null) return null;
  const prices = rules.prices.perMillionTokens;
  if (prices === null) {
    const each = outputNanoUsd(rules, qualityOf(rules, body), sizeOf(rules, body));
    return each === null ? null : toMicroUsd(images * each);
  }
  if (usage === null || hasSeparateUsage(rules, body)) return null;
  const input = inputNanoUsd(prices, body, usage);
  const output = outputUsageNanoUsd(prices, usage);
  return input === null || output === null ? null : toMicroUsd(input + output);
}

/** Without a split all input is text, unless images were sent: then the dearer price counts. */
function inputNanoUsd(prices: TokenPrices, body: UpstreamBody, usage: UpstreamUsage): number | null {
  const text = countOf(usage.input_tokens_details?.text_tokens);
  const image = countOf(usage.input_tokens_details?.image_tokens);
  if (text !== null && image !== null) {
    return text * nanoPerToken(prices.textInput) + image * nanoPerToken(prices.imageInput);
  }
  const total = countOf(usage.input_tokens);
  const price = hasInputImages(body) ? Math.max(prices.textInput, prices.imageInput) : prices.textInput;
  return total === null ? null : total * nanoPerToken(price);
}

/** Text written besides the image is charged only where it has a price. Without a split all output is image. */
function outputUsageNanoUsd(prices: TokenPrices, usage: UpstreamUsage): number | null {
  const text = countOf(usage.output_tokens_details?.text_tokens);
  const image = countOf(usage.output_tokens_details?.image_tokens);
  if (text !== null && image !== null) {
    return text * nanoPerToken(prices.textOutput ?? 0) + image * nanoPerToken(prices.imageOutput);
  }
  const total = countOf(usage.output_tokens);
  return total === null ? null : total * nanoPerToken(prices.imageOutput);
}

function countOf(tokens: unknown): number | null {
  return typeof tokens === 'number' && Number.isInteger(tokens) && tokens >= 0 ? tokens : null;
}

/** What an input image comes to in tokens is not published; models with a price list charge nothing for it. */
function isUnforeseeable(rules: ModelRules, body: UpstreamBody): boolean {
  const hasOpenInput = hasInputImages(body) && rules.prices.perMillionTokens !== null;
  return hasOpenInput || rules.outputFormat?.previewOnly.includes(String(body['output_format'])) === true;
}

/** Whether input images go with the body, measured already or not. */
export function hasInputImages(body: UpstreamBody): boolean {
  return IMAGE_FIELDS.some((field) => body[field] !== undefined);
}

/** SVG is charged in part through a usage of its own, whose prices are not published. */
function hasSeparateUsage(rules: ModelRules, body: UpstreamBody): boolean {
  return body['output_format'] === 'svg' && rules.svg?.separateUsage === true;
}

function qualityOf(rules: ModelRules, body: UpstreamBody): string {
  return typeof body['quality'] === 'string' ? body['quality'] : rules.quality.default;
}

function sizeOf(rules: ModelRules, body: UpstreamBody): string {
  return typeof body['size'] === 'string' ? body['size'] : rules.size.default;
}

function promptOf(body: UpstreamBody): string {
  return typeof body['prompt'] === 'string' ? body['prompt'] : '';
}

function textInputNano(rules: ModelRules): number {
  return nanoPerToken(rules.prices.perMillionTokens?.textInput ?? 0);
}

function toMicroUsd(nanoUsd: number): number {
  return Math.ceil(nanoUsd / 1_000);
}
