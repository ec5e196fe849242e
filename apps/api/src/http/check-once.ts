// A body is checked before anything is looked up for it and again when its images are taken in; the first pass is the same.
import type { Checked } from '@darkroom/shared/inputs/prepare.ts';
import type { InputImage, InputSet } from '@darkroom/shared/requests/inputs.ts';

type Check<S> = (inputs: InputSet<InputImage> | null) => Checked<S>;

/** `check` that does its pass without images once. */
export function checkOnce<S>(check: Check<S>): Check<S> {
  let first: Checked<S> | null = null;
  return (inputs) => {
    if (inputs !== null) return check(inputs);
    first ??= check(null);
    return first;
  };
}
