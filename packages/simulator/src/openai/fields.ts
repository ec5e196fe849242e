/**
 * Reads single fields of a request body in the API's own words. For a field that a model knows, null means absent
 * (the schema marks these fields nullable); fields it does not know are refused before, null or not.
 */
import { badRequest, quotedList } from './api-error.ts';

export type Fields = Readonly<Record<string, unknown>>;

export function stringField(fields: Fields, name: string): string | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  return value;
}

/** One of `values`, or null when absent. */
export function choiceField(fields: Fields, name: string, values: readonly string[]): string | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw wrongType(name, `one of ${quotedList(values)}`, value);
  if (!values.includes(value)) throw notSupported(name, value, values);
  return value;
}

export function integerField(fields: Fields, name: string, min: number, max: number): number | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number' || !Number.isInteger(value)) throw wrongType(name, 'an integer', value);
  if (value < min) throw outOfRange(name, 'below minimum', `>= ${min}`, value, 'integer_below_min_value');
  if (value > max) throw outOfRange(name, 'above maximum', `<= ${max}`, value, 'integer_above_max_value');
  return value;
}

export function booleanField(fields: Fields, name: string): boolean | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'boolean') throw wrongType(name, 'a boolean', value);
  return value;
}

/** Text of 1..`maxLength` code points. */
export function requiredText(fields: Fields, name: string, maxLength: number): string {
  if (fields[name] === undefined) throw missing(name);
  const value = fields[name];
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  if (value === '') {
    const message = `Invalid '${name}': empty string. Expected a string with minimum length 1, but got an empty string instead.`;
    throw badRequest(message, 'empty_string', name);
  }
  requireLength(name, value, maxLength);
  return value;
}

export function requireLength(name: string, value: string, maxLength: number): void {
  const length = Array.from(value).length;
  if (length <= maxLength) return;
  const message = `Invalid '${name}': string too long. Expected a string with maximum length ${maxLength}, but got a string with length ${length} instead.`;
  throw badRequest(message, 'string_above_max_length', name);
}

export function missing(name: string) {
  return badRequest(`Missing required parameter: '${name}'.`, 'missing_required_parameter', name);
}

/** Text seen live (2026, `quality` of a GPT image model). */
export function notSupported(name: string, value: string, values: readonly string[]) {
  return badRequest(`Invalid value: '${value}'. Supported values are: ${quotedList(values)}.`, 'invalid_value', name);
}

function wrongType(name: string, expected: string, value: unknown) {
  const message = `Invalid type for '${name}': expected ${expected}, but got ${nameType(value)} instead.`;
  return badRequest(message, 'invalid_type', name);
}

function outOfRange(name: string, side: string, expected: string, value: number, code: string) {
  const message = `Invalid '${name}': integer ${side} value. Expected a value ${expected}, but got ${value} instead.`;
  return badRequest(message, code, name);
}

function nameType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal number';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
