/** Runs a request's fields through model and parameter checks, for tests. */
import { ApiError } from './api-error.ts';
import type { Operation } from './models.ts';
import { type BodyKind, requireModel, validateParameters } from './validate-request.ts';

const EVERYTHING = { reality: 'everything', today: '2026-11-22' } as const;

/** A gpt-image-2 generation unless told otherwise. Throws ApiError. */
export function check(fields: Record<string, unknown>, operation: Operation = 'generation', kind: BodyKind = 'json') {
  const whole = { model: 'gpt-image-2', prompt: 'a cat', ...fields };
  return validateParameters(whole, requireModel(whole, operation, EVERYTHING), operation, kind);
}

/** Status and error fields of the refusal, or null if the request is valid. */
export function refusal(fields: Record<string, unknown>, operation: Operation = 'generation', kind: BodyKind = 'json') {
  try {
    check(fields, operation, kind);
  } catch (error) {
    if (error instanceof ApiError) return { status: error.status, ...error.body.error };
    throw error;
  }
  return null;
}
