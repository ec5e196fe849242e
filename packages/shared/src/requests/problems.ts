// What is wrong with a request, in OpenAI's wording (openai-images.md 2.3 and 3.2), so that callers' handling of
// OpenAI's errors works here. One function for each kind of problem.
import { ServiceError } from '../base/errors.ts';
import { nearestNames } from '../models/rules.ts';

const LONGEST_QUOTE = 100;
const FIELDS_LOOKED_AT = 64;

/**
 * The fields of an object that are looked at one by one. No object of ours has as many fields as this, so a larger one
 * is refused for an unknown field among the first, and a body of many thousand costs no more than that.
 */
export function entriesToCheck(record: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(record).slice(0, FIELDS_LOOKED_AT);
}

/** A caller's value in a message: quoted, and cut when it is long. */
export function quote(value: string): string {
  if (value.length <= LONGEST_QUOTE) return `'${value}'`;
  return `'${value.slice(0, LONGEST_QUOTE).replace(/[\uD800-\uDBFF]$/, '')}…'`;
}

/** `'a', 'b', and 'c'` */
export function listOf(values: readonly string[], word: 'and' | 'or' = 'and'): string {
  const quoted = values.map((value) => `'${value}'`);
  if (quoted.length < 3) return quoted.join(` ${word} `);
  return `${quoted.slice(0, -1).join(', ')}, ${word} ${quoted.at(-1)}`;
}

export function missing(param: string): ServiceError {
  return new ServiceError('missing_required_parameter', `Missing required parameter: '${param}'.`, { param });
}

export function wrongType(param: string, expected: string, value: unknown): ServiceError {
  const message = `Invalid type for '${param}': expected ${expected}, but got ${typeName(value)} instead.`;
  return new ServiceError('invalid_type', message, { param });
}

/** A whole body that is no JSON object; it has no `param`. */
export function notAnObject(body: unknown): ServiceError {
  const message = `Invalid request body: expected an object, but got ${typeName(body)} instead.`;
  return new ServiceError('invalid_type', message);
}

export function wrongValue(param: string, value: string, supported: readonly string[]): ServiceError {
  const message = `Invalid value: ${quote(value)}. Supported values are: ${listOf(supported)}.`;
  return new ServiceError('invalid_value', message, { param });
}

export function tooLong(param: string, max: number, length: number): ServiceError {
  const message = `Invalid '${param}': string too long. Expected a string with maximum length ${max}, but got a string with length ${length} instead.`;
  return new ServiceError('string_above_max_length', message, { param });
}

export function tooShort(param: string, min: number): ServiceError {
  const message = `Invalid '${param}': empty string. Expected a string with minimum length ${min}, but got an empty string instead.`;
  return new ServiceError('string_below_min_length', message, { param });
}

export function tooMany(param: string, max: number, length: number): ServiceError {
  const message = `Invalid '${param}': array too long. Expected an array with maximum length ${max}, but got an array with length ${length} instead.`;
  return new ServiceError('array_above_max_length', message, { param });
}

export function aboveMax(param: string, max: number, value: number): ServiceError {
  const message = `Invalid '${param}': integer above maximum value. Expected a value <= ${max}, but got ${value} instead.`;
  return new ServiceError('integer_above_max_value', message, { param });
}

export function belowMin(param: string, min: number, value: number): ServiceError {
  const message = `Invalid '${param}': integer below minimum value. Expected a value >= ${min}, but got ${value} instead.`;
  return new ServiceError('integer_below_min_value', message, { param });
}

/** A field nobody takes; the nearest of `known` is named. */
export function unknownParameter(param: string, known: readonly string[]): ServiceError {
  const [nearest] = nearestNames(param.slice(param.lastIndexOf('.') + 1), known);
  const hint = nearest === undefined ? '' : ` Did you mean '${nearest}'?`;
  return misplacedParameter(param, hint.trim());
}

/** A field that exists, but not here; `why` says where it is taken. */
export function misplacedParameter(param: string, why: string): ServiceError {
  const message = `Unknown parameter: ${quote(param)}. ${why}`.trim();
  return new ServiceError('unknown_parameter', message, { param: quote(param).slice(1, -1) });
}

/** A field OpenAI knows and Darkroom does not offer. */
export function unsupportedParameter(param: string, why: string): ServiceError {
  return new ServiceError('unsupported_parameter', `Unsupported parameter: '${param}'. ${why}`, { param });
}

/** The JSON type of a value as OpenAI names it. */
function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal number';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
