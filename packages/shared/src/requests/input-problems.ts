// What is wrong with an input image, in OpenAI's codes and wording (openai-images.md 3.2), and DALL·E 2's own texts: the
// field, what it is, what is allowed.
import { ServiceError } from '../base/errors.ts';
import type { InputFacts, InputImage } from './inputs.ts';
import { listOf } from './problems.ts';

const MEGABYTE = 1_048_576;

/** In pixels. */
export function isSameSize(a: InputFacts, b: InputFacts): boolean {
  return a.width === b.width && a.height === b.height;
}

export function sizeOf({ width, height }: InputFacts): string {
  return `${width}x${height}`;
}

export function differingSizes(param: string, facts: InputFacts, first: InputImage): string {
  return `'${param}' has ${sizeOf(facts)} pixels, '${first.param}' has ${sizeOf(first.facts)}.`;
}

/** A model with a single format tells all it expects at once, as DALL·E 2 did; null for others. */
export function allAtOnce([only, ...others]: readonly string[], belowBytes: number): string | null {
  if (only === undefined || others.length > 0) return null;
  return `Uploaded image must be a ${only.replace('image/', '').toUpperCase()} and less than ${megabytes(belowBytes)}.`;
}

function megabytes(bytes: number): string {
  return `${bytes / MEGABYTE} MB`;
}

export function lessThan(bytes: number): string {
  return `It must be less than ${megabytes(bytes)}.`;
}

export function supportedFormats(formats: readonly string[]): string {
  return formats.length === 1
    ? `The supported file format is ${listOf(formats)}.`
    : `Supported file formats are ${listOf(formats)}.`;
}

export function wrongFormat(param: string, contentType: string, expected: string): ServiceError {
  const message = `Invalid file '${param}': unsupported mimetype ('${contentType}'). ${expected}`;
  return new ServiceError('unsupported_file_mimetype', message, { param });
}

export function tooLarge(param: string, bytes: number, expected: string): ServiceError {
  const message = `Invalid file '${param}': too large (${bytes} bytes). ${expected}`;
  return new ServiceError('file_too_large', message, { param });
}

/** Of an image or a markup. */
export function invalidImage(param: string, why: string): ServiceError {
  return new ServiceError('invalid_image_file', `Invalid image file '${param}': ${why}`, { param });
}

export function invalidMask(param: string, why: string): ServiceError {
  return new ServiceError('invalid_mask_image_format', `Invalid mask image format - ${why}`, { param });
}
