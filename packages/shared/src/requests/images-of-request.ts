// The images of a request, in whichever of the two passes it is: references to be fetched, or images that are here.
import type { ServiceError } from '../base/errors.ts';
import type { Operation } from '../models/rules.ts';
import { checkDataUrls, checkInputs } from './check-inputs.ts';
import { checkRoles } from './check-roles.ts';
import type { ModelChoice } from './choose-model.ts';
import { IMAGE_FIELDS } from './fields.ts';
import { inputLimitsOf } from './input-limits.ts';
import type { InputImage, InputSet, PlacedReference } from './inputs.ts';
import { readReferences } from './references.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What the operation takes as images; both null for a generation. */
export interface RequestImages {
  readonly references: InputSet<PlacedReference> | null;
  readonly inputs: InputSet<InputImage> | null;
}

interface Given {
  readonly fields: Fields;
  readonly imageFields: Fields;
  readonly inputs: InputSet<InputImage> | null;
}

/** Where no model in question takes images, so many are looked at. */
const IMAGES_LOOKED_AT = 16;

/** The body without and with the fields that hold images of this operation. */
export function splitImages(
  operation: Operation,
  given: Fields,
): { fields: Record<string, unknown>; imageFields: Fields } {
  const names = Object.keys(IMAGE_FIELDS).filter((name) => IMAGE_FIELDS[name]?.includes(operation));
  const held = names.filter((name) => Object.hasOwn(given, name));
  const fields: Record<string, unknown> = held.length === 0 ? given : { ...given };
  for (const name of held) Reflect.deleteProperty(fields, name);
  return { fields, imageFields: Object.fromEntries(held.map((name) => [name, given[name]])) };
}

/** With `inputs` the facts are checked, and the body's own image fields are not looked at. */
export function lookAtImages(
  operation: Operation,
  { fields, imageFields, inputs }: Given,
  choice: ModelChoice,
): { images: RequestImages; problems: readonly ServiceError[] } {
  if (operation === 'generation') return { images: { references: null, inputs: null }, problems: [] };
  const format = fields['output_format'];
  if (inputs === null) {
    const roles = { mask: 'mask' in imageFields, markup: 'markup' in imageFields };
    const mostImages = inputLimitsOf(operation, choice.rules)?.mostImages ?? IMAGES_LOOKED_AT;
    const found = readReferences(imageFields, mostImages);
    const problems = [...checkRoles(operation, roles, format, choice), ...found.problems];
    return { images: { references: found.references, inputs: null }, problems };
  }
  const roles = { mask: inputs.mask !== null, markup: inputs.markup !== null };
  const problems = [
    ...checkRoles(operation, roles, format, choice),
    ...checkInputs(operation, inputs, choice),
    ...(operation === 'edit' ? checkDataUrls(choice.model, fields, inputs) : []),
  ];
  return { images: { references: null, inputs }, problems };
}
