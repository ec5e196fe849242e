// The second look at the images of a request, with what was measured from their bytes: every fact against the limits of
// the models in question (openai-images.md 2.4, read 2026-11-22).
import type { ServiceError } from '../base/errors.ts';
import { jsonOnlyFieldsOf, longestImageUrlOf } from '../models/edit-wire.ts';
import type { Operation } from '../models/rules.ts';
import type { ModelChoice } from './choose-model.ts';
import { type InputLimits, inputLimitsOf, maskLimitsOf } from './input-limits.ts';
import {
  allAtOnce,
  differingSizes,
  invalidImage,
  invalidMask,
  isSameSize,
  lessThan,
  sizeOf,
  supportedFormats,
  tooLarge,
  wrongFormat,
} from './input-problems.ts';
import { allOf, type InputImage, type InputSet } from './inputs.ts';
import { listOf, missing, tooMany } from './problems.ts';

const PNG = 'image/png';

/** Every problem of the images themselves; which roles may be there at all is check-roles.ts. */
export function checkInputs(operation: Operation, inputs: InputSet<InputImage>, choice: ModelChoice): ServiceError[] {
  const limits = inputLimitsOf(operation, choice.rules);
  const [first] = inputs.images;
  if (first === undefined) return [missing('image')];
  if (limits === null) return [];
  const { images, mask, markup } = inputs;
  return [
    ...(images.length > limits.mostImages ? [tooMany(listName(first.param), limits.mostImages, images.length)] : []),
    ...images.slice(0, limits.mostImages).flatMap((image) => checkImage(image, limits)),
    ...(mask === null ? [] : checkMask(mask, first, choice)),
    ...(markup === null ? [] : checkMarkup(markup, first, limits)),
  ];
}

function listName(param: string): string {
  return param.replace(/\[\d+\]$/, '');
}

function checkImage({ param, facts }: InputImage, limits: InputLimits): ServiceError[] {
  const expected = allAtOnce(limits.formats, limits.belowBytes);
  return [
    ...(limits.formats.includes(facts.contentType)
      ? []
      : [wrongFormat(param, facts.contentType, expected ?? supportedFormats(limits.formats))]),
    ...(facts.bytes < limits.belowBytes ? [] : [tooLarge(param, facts.bytes, expected ?? lessThan(limits.belowBytes))]),
    ...(limits.isSquare && facts.width !== facts.height
      ? [invalidImage(param, `it has ${sizeOf(facts)} pixels. Uploaded image must be square.`)]
      : []),
  ];
}

function checkMask({ param, facts }: InputImage, first: InputImage, { rules }: ModelChoice): ServiceError[] {
  const limits = maskLimitsOf(rules);
  if (limits === null) return [];
  return [
    ...(limits.formats.includes(facts.contentType)
      ? []
      : [wrongFormat(param, facts.contentType, supportedFormats(limits.formats))]),
    ...(facts.bytes < limits.belowBytes ? [] : [tooLarge(param, facts.bytes, lessThan(limits.belowBytes))]),
    ...(isSameSize(facts, first.facts)
      ? []
      : [invalidMask(param, `mask size does not match image size: ${differingSizes(param, facts, first)}`)]),
    ...(facts.hasAlpha ? [] : [invalidMask(param, 'missing alpha channel: its transparent pixels mark what to edit.')]),
  ];
}

/** openai npm 7.57.0, `ImageEditParams.markup`. How large it may be is not said: as large as an image. */
function checkMarkup({ param, facts }: InputImage, first: InputImage, limits: InputLimits): ServiceError[] {
  return [
    ...(facts.contentType === PNG ? [] : [wrongFormat(param, facts.contentType, supportedFormats([PNG]))]),
    ...(facts.bytes < limits.belowBytes ? [] : [tooLarge(param, facts.bytes, lessThan(limits.belowBytes))]),
    ...(isSameSize(facts, first.facts)
      ? []
      : [invalidImage(param, `its size does not match the image: ${differingSizes(param, facts, first)}`)]),
    ...(facts.isTransparent ? [] : [invalidImage(param, 'it has no transparent pixel. Expected a transparent PNG.')]),
  ];
}

/**
 * Images too large for the JSON edit, when a field of `given` makes it the only way: there they travel as data URLs.
 */
export function checkDataUrls(
  model: string,
  given: Readonly<Record<string, unknown>>,
  inputs: InputSet<InputImage>,
): ServiceError[] {
  const fields = jsonOnlyFieldsOf(model, given);
  if (fields.length === 0) return [];
  const longest = longestImageUrlOf(model);
  return allOf(inputs)
    .filter(({ facts }) => dataUrlLength(facts) > longest)
    .map(({ param, facts }) => {
      const most = `Together with ${listOf(fields)} an image travels as a data URL of at most ${longest} characters, but it would have ${dataUrlLength(facts)}. Send a smaller image, or leave out ${listOf(fields)}.`;
      return tooLarge(param, facts.bytes, most);
    });
}

function dataUrlLength({ bytes, contentType }: InputImage['facts']): number {
  return `data:${contentType};base64,`.length + 4 * Math.ceil(bytes / 3);
}
