// What one output image costs, by quality and size, from the token tables, the token formula or the price list of a
// model. Amounts are integer nano-USD (10^-9), so that sums of prices like 2.5 USD per million tokens stay exact.
import type { ModelRules } from './schema.ts';
import { parseSize } from './size.ts';

/** Price of one token in nano-USD, from USD per million tokens. */
export function nanoPerToken(usdPerMillion: number): number {
  return Math.round(usdPerMillion * 1_000);
}

/** Output tokens of one image of a named quality and size; null when unknown (`auto` included). */
export function outputTokensOf(rules: ModelRules, quality: string, size: string): number | null {
  const tokens = rules.outputTokens;
  if (tokens === null) return null;
  if (tokens.kind === 'table') return tokens.table[size]?.[quality] ?? null;
  const factor = tokens.axisFactors[quality];
  const pixels = parseSize(size);
  return factor === undefined || pixels === null ? null : tokensByFormula(factor, pixels.width, pixels.height);
}

/** The formula behind OpenAI's calculator (openai-images.md 6.3): a grid of factor × scaled factor, weighted by area. */
function tokensByFormula(factor: number, width: number, height: number): number {
  const long = Math.max(width, height);
  const short = Math.min(width, height);
  const scaled = Math.floor((2 * factor * short + long) / (2 * long));
  return Math.ceil((factor * scaled * (2_000_000 + width * height)) / 4_000_000);
}

/** Price of one image in nano-USD: by tokens where they are known, else by the price list; null when unknown. */
export function outputNanoUsd(rules: ModelRules, quality: string, size: string): number | null {
  if (!rules.quality.values.includes(quality) || parseSize(size) === null) return null;
  const tokens = outputTokensOf(rules, quality, size);
  const perToken = rules.prices.perMillionTokens?.imageOutput;
  if (tokens !== null && perToken !== undefined) return tokens * nanoPerToken(perToken);
  const listed = rules.prices.perImage?.[quality]?.[size];
  return listed === undefined ? null : Math.round(listed * 1_000_000_000);
}

/** The dearest price `quality` and `size` can come to, nano-USD: `auto` counts as everything it may become. */
export function dearestOutputNanoUsd(rules: ModelRules, quality: string, size: string): number | null {
  const qualities = quality === 'auto' ? withoutAuto(rules.quality.values) : [quality];
  const sizes = size === 'auto' ? sizesOfAuto(rules) : [size];
  const all = qualities.flatMap((q) => sizes.map((s) => outputNanoUsd(rules, q, s)));
  return all.includes(null) ? null : Math.max(...all.map(Number));
}

/** What size `auto` may become. Where any size goes, the square of the most pixels has the most tokens. */
function sizesOfAuto(rules: ModelRules): string[] {
  if (rules.size.kind === 'list') return withoutAuto(rules.size.values);
  const edge = Math.ceil(Math.sqrt(rules.size.maxPixels));
  return [`${edge}x${edge}`];
}

function withoutAuto(values: readonly string[]): string[] {
  return values.filter((value) => value !== 'auto');
}
