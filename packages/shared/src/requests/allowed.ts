// What a field may hold, as plain data, and the one check of a value against it. Knows neither models nor field names.
import { ServiceError } from '../base/errors.ts';
import type { RuleSize } from '../models/rules.ts';
import { brokenSizeRules, parseSize } from '../models/size.ts';
import { codePointsOf } from '../models/text.ts';
import {
  aboveMax,
  belowMin,
  entriesToCheck,
  listOf,
  missing,
  quote,
  tooLong,
  tooShort,
  unknownParameter,
  wrongType,
  wrongValue,
} from './problems.ts';

/** Lengths in Unicode code points; `max` null: no limit. */
export type Allowed =
  | { kind: 'choice'; values: readonly string[] }
  | { kind: 'integer'; min: number; max: number }
  | { kind: 'text'; min: number; max: number | null }
  | { kind: 'size'; values: readonly string[]; rule: RuleSize | null }
  | { kind: 'flag' }
  | { kind: 'object'; fields: Readonly<Record<string, Allowed>>; required: readonly string[] };

/** What is left when a value may keep any one of the options; null when there is no option. */
export function anyOf(options: readonly Allowed[]): Allowed | null {
  return options.length === 0 ? null : options.reduce(either);
}

function either(a: Allowed, b: Allowed): Allowed {
  if (a.kind === 'choice' && b.kind === 'choice') return { kind: 'choice', values: union(a.values, b.values) };
  if (a.kind === 'integer' && b.kind === 'integer') {
    return { kind: 'integer', min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) };
  }
  if (a.kind === 'text' && b.kind === 'text') {
    const max = a.max === null || b.max === null ? null : Math.max(a.max, b.max);
    return { kind: 'text', min: Math.min(a.min, b.min), max };
  }
  if (a.kind === 'size' && b.kind === 'size') {
    return { kind: 'size', values: union(a.values, b.values), rule: b.rule ?? a.rule };
  }
  return b;
}

function union(a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])];
}

/** Everything wrong with a value; empty when it is allowed. `null` is never allowed: callers remove it first. */
export function checkValue(param: string, value: unknown, allowed: Allowed): ServiceError[] {
  switch (allowed.kind) {
    case 'choice':
      return checkChoice(param, value, allowed.values);
    case 'integer':
      return checkInteger(param, value, allowed);
    case 'text':
      return checkText(param, value, allowed);
    case 'size':
      return checkSize(param, value, allowed);
    case 'flag':
      return typeof value === 'boolean' ? [] : [wrongType(param, 'a boolean', value)];
    case 'object':
    default:
      return checkObject(param, value, allowed);
  }
}

function checkChoice(param: string, value: unknown, values: readonly string[]): ServiceError[] {
  if (typeof value !== 'string') {
    const expected = values.length === 1 ? listOf(values) : `one of ${listOf(values, 'or')}`;
    return [wrongType(param, expected, value)];
  }
  return values.includes(value) ? [] : [wrongValue(param, value, values)];
}

function checkInteger(param: string, value: unknown, { min, max }: { min: number; max: number }): ServiceError[] {
  if (typeof value !== 'number' || !Number.isInteger(value)) return [wrongType(param, 'an integer', value)];
  if (value > max) return [aboveMax(param, max, value)];
  return value < min ? [belowMin(param, min, value)] : [];
}

function checkText(param: string, value: unknown, { min, max }: { min: number; max: number | null }): ServiceError[] {
  if (typeof value !== 'string') return [wrongType(param, 'a string', value)];
  const length = codePointsOf(value);
  if (max !== null && length > max) return [tooLong(param, max, length)];
  return length < min ? [tooShort(param, min)] : [];
}

function checkSize(
  param: string,
  value: unknown,
  { values, rule }: { values: readonly string[]; rule: RuleSize | null },
): ServiceError[] {
  if (rule === null) return checkChoice(param, value, values);
  if (typeof value !== 'string') return [wrongType(param, 'a string', value)];
  if (values.includes(value)) return [];
  const pixels = parseSize(value);
  const broken =
    pixels === null
      ? [`Expected 'auto' or a width and height in pixels, such as '1024x1024'.`]
      : brokenSizeRules(rule, pixels);
  if (broken.length === 0) return [];
  return [new ServiceError('invalid_value', `Invalid size ${quote(value)}. ${broken.join(' ')}`, { param })];
}

function checkObject(
  param: string,
  value: unknown,
  { fields, required }: { fields: Readonly<Record<string, Allowed>>; required: readonly string[] },
): ServiceError[] {
  if (!isRecord(value)) return [wrongType(param, 'an object', value)];
  const absent = required.filter((name) => value[name] === undefined).map((name) => missing(`${param}.${name}`));
  const wrong = entriesToCheck(value).flatMap(([name, held]) => {
    const allowed = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (allowed === undefined) return [unknownParameter(`${param}.${name}`, Object.keys(fields))];
    return checkValue(`${param}.${name}`, held, allowed);
  });
  return [...absent, ...wrong];
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
