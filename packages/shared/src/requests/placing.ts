// Where a problem or an image stands in the body as sent. OpenAI's body may lie inside another one (`input` of a job,
// `body` of a batch line): its checks know their own names only, callers are told the whole path.
import type { ServiceError } from '../base/errors.ts';
import { type InputImage, type InputSet, mapInputs } from './inputs.ts';
import type { Validation } from './validate.ts';

/** OpenAI's wording keeps the field's own name; `param` and the references of the request say where they stand. */
export function placeIn(field: string, checked: Validation): Validation {
  if (!checked.ok) {
    checked.problems.forEach((problem) => placeProblem(field, problem));
    return checked;
  }
  const { references } = checked.request;
  if (references === null) return checked;
  const placed = mapInputs(references, (each) => ({ ...each, param: `${field}.${each.param}` }));
  return { ok: true, request: { ...checked.request, references: placed } };
}

export function placeProblem(field: string, problem: ServiceError): void {
  problem.param = problem.param === null ? field : `${field}.${problem.param}`;
}

/** Images measured for such a body, under the names its own check knows. */
export function takeOutOf(field: string, inputs: InputSet<InputImage> | null): InputSet<InputImage> | null {
  if (inputs === null) return null;
  const prefix = `${field}.`;
  return mapInputs(inputs, (image) =>
    image.param.startsWith(prefix) ? { ...image, param: image.param.slice(prefix.length) } : image,
  );
}
