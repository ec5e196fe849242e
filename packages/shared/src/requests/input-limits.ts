// What the input images of a request may be: what any of the rules takes, as for fields (contract section 4).
import type { ModelRules, Operation } from '../models/rules.ts';

export interface InputLimits {
  /** Content types. */
  readonly formats: readonly string[];
  /** An image must be smaller than this. */
  readonly belowBytes: number;
  readonly mostImages: number;
  readonly isSquare: boolean;
}

export interface MaskLimits {
  readonly formats: readonly string[];
  readonly belowBytes: number;
}

/** A variation is of one image, whatever the models take. Null: none of the models takes images. */
export function inputLimitsOf(operation: Operation, rules: readonly ModelRules[]): InputLimits | null {
  const taken = rules.flatMap(({ inputImages }) => inputImages ?? []);
  if (taken.length === 0) return null;
  return {
    formats: [...new Set(taken.flatMap(({ formats }) => formats))].sort(),
    belowBytes: Math.max(...taken.map(({ belowBytes }) => belowBytes)),
    mostImages: operation === 'variation' ? 1 : Math.max(...taken.map(({ maxCount }) => maxCount)),
    isSquare: taken.every(({ squareRequired }) => squareRequired),
  };
}

/** Null: none of the models takes a mask. */
export function maskLimitsOf(rules: readonly ModelRules[]): MaskLimits | null {
  const taken = rules.flatMap(({ mask }) => mask ?? []);
  if (taken.length === 0) return null;
  return {
    formats: [...new Set(taken.map(({ format }) => format))],
    belowBytes: Math.max(...taken.map(({ belowBytes }) => belowBytes)),
  };
}
