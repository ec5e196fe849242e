// Reads `WIDTHxHEIGHT` and holds the rule of free sizes. What each model takes is in the data.
import type { RuleSize } from './schema.ts';

/** Pixels. */
export interface Dimensions {
  width: number;
  height: number;
}

/** The pixels a size names; null for `auto` and anything else that is not `WIDTHxHEIGHT`. */
export function parseSize(size: string): Dimensions | null {
  const match = /^([1-9]\d{0,7})x([1-9]\d{0,7})$/.exec(size);
  return match ? { width: Number(match[1]), height: Number(match[2]) } : null;
}

/** One sentence for each part of the rule a size breaks; empty when the size is allowed. */
export function brokenSizeRules(rule: RuleSize, { width, height }: Dimensions): string[] {
  const longest = Math.max(width, height);
  const pixels = width * height;
  const broken: string[] = [];
  if (width % rule.divisibleBy !== 0 || height % rule.divisibleBy !== 0) {
    broken.push(`Width and height must both be divisible by ${rule.divisibleBy}.`);
  }
  if (longest > rule.maxAspect * Math.min(width, height)) {
    broken.push(`The aspect ratio must be between 1:${rule.maxAspect} and ${rule.maxAspect}:1.`);
  }
  if (longest > rule.maxEdge) broken.push(`The longest edge must be at most ${rule.maxEdge} pixels.`);
  if (pixels < rule.minPixels) {
    broken.push(`Width times height must be at least ${rule.minPixels} pixels, but is ${pixels}.`);
  }
  if (pixels > rule.maxPixels) {
    broken.push(`Width times height must be at most ${rule.maxPixels} pixels, but is ${pixels}.`);
  }
  return broken;
}
