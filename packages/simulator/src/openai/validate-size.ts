/** The `size` parameter: a list for older models, a rule of edges, shape and pixels from gpt-image-2 on. */
import { badRequest, userError } from './api-error.ts';
import { notSupported } from './fields.ts';
import { flexibleSizeRule, isLegacy, type Model } from './models.ts';

/** Returns `WIDTHxHEIGHT` or `auto`; throws the API's refusal. */
export function validateSize(model: Model, size: string | null): string {
  if (size === null) return model.size.default;
  if (size === 'auto' && model.size.autoAllowed) return size;
  const listed = model.size.values;
  if (listed === undefined) return requireRule(size);
  if (listed.includes(size)) return size;
  if (isLegacy(model)) throw badRequest('The size is not supported by this model.', 'invalid_size', null);
  const values = listed.toSorted();
  throw notSupported('size', size, model.size.autoAllowed ? [...values, 'auto'] : values);
}

export function parseSize(size: string): { width: number; height: number } | null {
  const match = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(size);
  return match === null ? null : { width: Number(match[1]), height: Number(match[2]) };
}

/** Only the divisibility text was seen live; the other texts follow its form. */
function requireRule(size: string): string {
  const rule = flexibleSizeRule;
  const parsed = parseSize(size);
  if (parsed === null) throw invalidSize(size, "Expected 'auto' or a size in the format 'WIDTHxHEIGHT'.");
  const { width, height } = parsed;
  const aspect = width / height;
  if (width % rule.divisibleBy !== 0 || height % rule.divisibleBy !== 0) {
    throw invalidSize(size, `Width and height must both be divisible by ${rule.divisibleBy}.`);
  }
  if (Math.max(width, height) > rule.maxEdge) {
    throw invalidSize(size, `The longest edge must be at most ${rule.maxEdge} pixels.`);
  }
  if (aspect < rule.minAspect || aspect > rule.maxAspect) {
    throw invalidSize(size, 'The aspect ratio must be between 1:3 and 3:1.');
  }
  if (width * height < rule.minPixels) {
    throw invalidSize(size, `The image must have at least ${rule.minPixels} pixels.`);
  }
  if (width * height > rule.maxPixels) {
    throw invalidSize(size, `The image must have at most ${rule.maxPixels} pixels.`);
  }
  return size;
}

function invalidSize(size: string, reason: string) {
  return userError(`Invalid size '${size}'. ${reason}`, 'invalid_value', 'size');
}
