// Turns the checked fields of a request for a retired model into fields of its replacement. Every change is a warning.
import type { ModelRules, Operation } from '../models/rules.ts';
import type { Dimensions } from '../models/size.ts';
import { downscaleOf, renamedField, translateValue } from '../models/translate.ts';
import { checkValue } from './allowed.ts';
import type { FieldSpec } from './fields.ts';
import { FIELDS, fieldsOf } from './fields.ts';

type Fields = Readonly<Record<string, unknown>>;

interface Translation {
  fields: Record<string, unknown>;
  warnings: string[];
  downscaleTo: Dimensions | null;
}

/** One field after translation: what is sent, if anything, and what the caller is told. */
interface Step {
  send: [name: string, value: unknown] | null;
  warning: string | null;
}

/** `given` has passed the check against both rules. */
export function translateFields(
  operation: Operation,
  given: Fields,
  asked: ModelRules,
  called: ModelRules,
): Translation {
  const steps = fieldsOf(operation).flatMap((spec) => {
    const value = given[spec.name] ?? differingDefault(spec.name, asked, called);
    return value === undefined ? [] : [translateField(spec, value, given, asked, called)];
  });
  return {
    fields: Object.fromEntries(steps.flatMap(({ send }) => (send === null ? [] : [send]))),
    warnings: steps.flatMap(({ warning }) => (warning === null ? [] : [warning])),
    downscaleTo: downscaleOf(given['size']),
  };
}

/**
 * A size or quality left out meant the old model's default. Where the new one has another (`auto`), the old default is
 * sent, so that code written for the old model gets the shape, and about the price, it counts on.
 */
function differingDefault(name: string, asked: ModelRules, called: ModelRules): string | undefined {
  if (name !== 'size' && name !== 'quality') return undefined;
  return asked[name].default === called[name].default ? undefined : asked[name].default;
}

function translateField(spec: FieldSpec, value: unknown, given: Fields, asked: ModelRules, called: ModelRules): Step {
  const { name } = spec;
  const renamed = rename(spec, value, given, called);
  if (renamed !== null) return renamed;
  if (spec.allowed(called) === null) {
    return { send: null, warning: `${name} is not supported by ${called.id} and was dropped` };
  }
  const translated = translateValue(name, value, called);
  const send: Step['send'] = [name, translated];
  if (translated === value) return { send, warning: null };
  const origin = given[name] === undefined ? ` (the default of ${asked.id})` : '';
  return {
    send,
    warning: `${name} '${String(value)}'${origin} was translated to '${String(translated)}' for ${called.id}`,
  };
}

/** A field with a new name, unless the value does not fit there: then the old name is kept. Null: no new name. */
function rename(spec: FieldSpec, value: unknown, given: Fields, called: ModelRules): Step | null {
  const newName = renamedField(spec.name);
  const target = FIELDS.find(({ name }) => name === newName)?.allowed(called) ?? null;
  if (newName === null || target === null) return null;
  if (given[newName] !== undefined) {
    return { send: null, warning: `${spec.name} was dropped because ${newName} was given too` };
  }
  if (checkValue(newName, value, target).length > 0) return null;
  return { send: [newName, value], warning: `${spec.name} was sent as ${newName} to ${called.id}` };
}
