// The text fields of a form as the JSON body they stand for: `n=4` is a number, `svg[model]=…` and `webhook[events][]=…`
// are members of objects, as the OpenAI SDKs write them. The values are checked later, by the same rules as any body.
import { ServiceError } from '../base/errors.ts';
import type { Operation } from '../models/rules.ts';
import { IMAGE_FIELDS } from './fields.ts';
import { FORM_SHAPES, type FormShape, memberOf, readText, TEXT } from './form-shapes.ts';
import { quote, wrongType } from './problems.ts';

export interface FormFields {
  readonly fields: Record<string, unknown>;
  readonly problems: ServiceError[];
}

/** Objects under construction; arrays are lists. */
type Tree = Map<string, unknown>;

/** Objects of a request nest less deep; a name with more brackets is an unknown field. */
const DEEPEST = 4;

/** Never fails. `entries`: the text fields in the order they were sent. */
export function readFormFields(
  operation: Operation,
  entries: readonly (readonly [name: string, value: string])[],
): FormFields {
  const tree: Tree = new Map();
  const problems = new Map<string, ServiceError>();
  for (const [name, value] of entries) {
    const [field = name, ...members] = pathOf(name);
    const param = [field, ...members].filter((part) => part !== '').join('.');
    if (isImageField(operation, name)) problems.set(name, wrongType(name, 'a file', value));
    else if (!insert(tree, [field, ...members], value)) problems.set(param, repeated(param));
  }
  return { fields: toObject(tree), problems: [...problems.values()] };
}

/** The text of a field that is to be a file; `image[]` and `image[0]` count as `image`. */
function isImageField(operation: Operation, name: string): boolean {
  const field = name.replace(/\[\d*\]$/, '');
  return Object.hasOwn(IMAGE_FIELDS, field) && IMAGE_FIELDS[field]?.includes(operation) === true;
}

/** `svg[reasoning][effort]` → its three parts. Names that are no object of ours stay whole, and are refused as unknown. */
function pathOf(name: string): string[] {
  const bracket = name.indexOf('[');
  const field = bracket < 0 ? name : name.slice(0, bracket);
  const shape = shapeOf(field);
  if (bracket < 0 || shape.kind !== 'object' || !name.endsWith(']')) return [name];
  const inside = name.slice(bracket + 1, -1);
  // Keys of metadata may hold brackets themselves.
  const members = shape.fields === null ? [inside] : inside.split('][');
  return members.length > DEEPEST ? [name] : [field, ...members];
}

function shapeOf(field: string): FormShape {
  return (Object.hasOwn(FORM_SHAPES, field) ? FORM_SHAPES[field] : undefined) ?? TEXT;
}

/** False when the place is taken already. */
function insert(tree: Tree, [field = '', ...members]: readonly string[], value: string): boolean {
  let shape = shapeOf(field);
  let [parent, name] = [tree, field];
  for (const member of members) {
    const inner = parent.get(name);
    if (shape.kind === 'list' && member === '') return append(parent, name, value);
    if (inner !== undefined && !(inner instanceof Map)) return false;
    const next: Tree = inner ?? new Map<string, unknown>();
    parent.set(name, next);
    shape = memberOf(shape, member);
    [parent, name] = [next, member];
  }
  if (parent.has(name)) return false;
  parent.set(name, readText(value, shape));
  return true;
}

function append(parent: Tree, name: string, value: string): boolean {
  const list = parent.get(name);
  if (list !== undefined && !Array.isArray(list)) return false;
  if (list === undefined) parent.set(name, [value]);
  else list.push(value);
  return true;
}

function toObject(tree: Tree): Record<string, unknown> {
  return Object.fromEntries([...tree].map(([name, value]) => [name, value instanceof Map ? toObject(value) : value]));
}

function repeated(param: string): ServiceError {
  const message = `Invalid ${quote(param)}: it was sent more than once.`;
  return new ServiceError('invalid_value', message, { param: quote(param).slice(1, -1) });
}
