// Finds every problem of a request's fields. A value is fine when any of the given rules takes it: under `translate`
// these are the model asked for and its replacement (guides mix the two), for an unknown model all current ones.
import { ServiceError } from '../base/errors.ts';
import type { ModelRules, Operation } from '../models/rules.ts';
import type { Allowed } from './allowed.ts';
import { anyOf, checkValue } from './allowed.ts';
import type { FieldSpec } from './fields.ts';
import { FIELDS, fieldsOf, IMAGE_FIELDS, OWN_FIELDS } from './fields.ts';
import {
  entriesToCheck,
  listOf,
  misplacedParameter,
  missing,
  quote,
  unknownParameter,
  unsupportedParameter,
} from './problems.ts';

type Fields = Readonly<Record<string, unknown>>;

/** All problems: missing fields first, then field by field as given, then fields that do not go together. */
export function checkFields(operation: Operation, given: Fields, rules: readonly ModelRules[]): ServiceError[] {
  const specs = fieldsOf(operation);
  const absent = specs.filter(({ name, required }) => required && given[name] === undefined);
  const wrong = entriesToCheck(given).flatMap(([name, value]) => checkField(operation, name, value, rules));
  return [...absent.map(({ name }) => missing(name)), ...wrong, ...checkFormats(specs, given, rules)];
}

function checkField(operation: Operation, name: string, value: unknown, rules: readonly ModelRules[]): ServiceError[] {
  const own = Object.hasOwn(OWN_FIELDS, name) ? OWN_FIELDS[name] : undefined;
  if (own !== undefined) return checkOwnField(name, value, own);
  const spec = FIELDS.find((candidate) => candidate.name === name);
  if (spec === undefined || !spec.operations.includes(operation)) return [refuseField(operation, name, spec)];
  const allowed = allowedBy(spec, rules);
  if (allowed !== null) return checkValue(name, value, allowed);
  const ids = rules.map(({ id }) => id);
  return [misplacedParameter(name, `It is not supported by ${listOf(ids, 'or')}.`)];
}

/** What any of the rules allows in a field; null when none takes it. */
export function allowedBy(spec: FieldSpec, rules: readonly ModelRules[]): Allowed | null {
  return anyOf(rules.map(spec.allowed).filter((allowed) => allowed !== null));
}

/** Streamed images are not offered; asking for none is fine. */
function checkOwnField(name: string, value: unknown, allowed: Allowed): ServiceError[] {
  const problems = checkValue(name, value, allowed);
  const streams = (name === 'stream' || name === 'partial_images') && Boolean(value);
  if (problems.length > 0 || !streams) return problems;
  return [
    unsupportedParameter(name, 'Streamed images are not available: leave it out, or follow the events of the job.'),
  ];
}

/** A field this operation does not have: of another operation, or a typo. */
function refuseField(operation: Operation, name: string, spec: FieldSpec | undefined): ServiceError {
  const elsewhere = spec?.operations ?? (Object.hasOwn(IMAGE_FIELDS, name) ? IMAGE_FIELDS[name] : undefined);
  if (elsewhere === undefined) return unknownParameter(name, knownNames(operation));
  const plural = elsewhere.length > 1 ? 'operations' : 'operation';
  return misplacedParameter(name, `It belongs to the ${plural} ${listOf(elsewhere)}, not to '${operation}'.`);
}

function knownNames(operation: Operation): string[] {
  const images = Object.keys(IMAGE_FIELDS).filter(
    (name) => name !== 'image' && IMAGE_FIELDS[name]?.includes(operation),
  );
  return [...Object.keys(OWN_FIELDS), ...fieldsOf(operation).map(({ name }) => name), ...images];
}

/** Fields that need an output format which was not chosen; silent when the format itself is wrong. */
function checkFormats(specs: readonly FieldSpec[], given: Fields, rules: readonly ModelRules[]): ServiceError[] {
  const format = given['output_format'] ?? rules.at(-1)?.outputFormat?.default;
  const known = rules.flatMap(({ outputFormat: each }) => (each ? [...each.values, ...each.previewOnly] : []));
  if (typeof format !== 'string' || !known.includes(format)) return [];
  return specs.flatMap((spec) => {
    const value = given[spec.name];
    const needed = value === undefined ? null : formatsFor(spec, value, rules);
    if (needed === null || needed.includes(format)) return [];
    const what = typeof value === 'string' ? `${quote(value)} is` : 'it is';
    const message = `Invalid '${spec.name}': ${what} only supported with output_format ${listOf(needed, 'or')}, but output_format is ${quote(format)}.`;
    return [new ServiceError('invalid_value', message, { param: spec.name })];
  });
}

/** The formats any rules that take the field need for this value; null: any format, or nobody takes the field. */
function formatsFor(spec: FieldSpec, value: unknown, rules: readonly ModelRules[]): string[] | null {
  const takers = rules.filter((each) => spec.allowed(each) !== null);
  const needs = takers.map((each) => spec.formats(each, value)).filter((formats) => formats !== null);
  return needs.length === 0 ? null : [...new Set(needs.flat())];
}
