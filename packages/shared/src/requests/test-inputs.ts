// Measured images for tests of the checks, without bytes behind them.
import type { InputFacts, InputImage, InputSet } from './inputs.ts';

/** A transparent PNG of 1024x1024 unless told otherwise. */
export function imageOf(param: string, facts: Partial<InputFacts> = {}): InputImage {
  const format = facts.format ?? 'png';
  return {
    param,
    shown: {},
    facts: {
      sha256: 'a'.repeat(64),
      bytes: 1_000,
      format,
      contentType: `image/${format}`,
      width: 1_024,
      height: 1_024,
      hasAlpha: format !== 'jpeg',
      isTransparent: format !== 'jpeg',
      ...facts,
    },
  };
}

/** One image without transparency unless told otherwise, no mask, no markup. */
export function inputsOf(set: Partial<InputSet<InputImage>> = {}): InputSet<InputImage> {
  return { images: [imageOf('image', { hasAlpha: false, isTransparent: false })], mask: null, markup: null, ...set };
}
