// How many tokens a call will take from a tokens-per-minute limit, guessed before it is made.
import { outputTokensOf } from './output-price.ts';
import type { UpstreamBody } from './price.ts';
import { findModel } from './rules.ts';
import { codePointsOf } from './text.ts';

/** What `auto` most often becomes is not published; these are the guess, corrected by the upstream's own headers. */
const AUTO_QUALITY = 'high';
const AUTO_SIZE = '1024x1024';
const CHARACTERS_PER_TOKEN = 4;

/** Expected tokens of one call for `images` images, prompt and input images included; 0 when the model's token counts are not known. */
export function estimateTokens(model: string, body: UpstreamBody, images: number): number {
  const rules = findModel(model);
  if (rules === null) return 0;
  const output = outputTokensOf(rules, named(body['quality'], AUTO_QUALITY), named(body['size'], AUTO_SIZE));
  if (output === null) return 0;
  const prompt =
    typeof body['prompt'] === 'string' ? Math.ceil(codePointsOf(body['prompt']) / CHARACTERS_PER_TOKEN) : 0;
  return output * images + prompt + inputImagesOf(body) * (rules.inputImageTokens ?? 0);
}

function inputImagesOf({ images }: UpstreamBody): number {
  return Array.isArray(images) ? images.length : 0;
}

function named(value: unknown, ifAuto: string): string {
  return typeof value === 'string' && value !== 'auto' ? value : ifAuto;
}
