// What the fields of a form stand for: in a form everything is text, so numbers, flags and objects are told apart by the
// field table alone.
import { MODELS } from '../models/rules.ts';
import { type Allowed, anyOf, isRecord } from './allowed.ts';
import { ENVELOPE_VALUES } from './envelope.ts';
import { FIELDS, OWN_FIELDS } from './fields.ts';

export type FormShape =
  | { readonly kind: 'text' | 'integer' | 'flag' | 'list' }
  /** `fields` null: any names, each with a text. */
  | { readonly kind: 'object'; readonly fields: Readonly<Record<string, FormShape>> | null };

export const TEXT: FormShape = { kind: 'text' };

export const FORM_SHAPES: Readonly<Record<string, FormShape>> = {
  ...Object.fromEntries(
    FIELDS.map(({ name, allowed }) => [name, toShape(anyOf(MODELS.flatMap((m) => allowed(m) ?? [])))]),
  ),
  ...toShapes(OWN_FIELDS),
  ...toShapes(ENVELOPE_VALUES),
  metadata: { kind: 'object', fields: null },
  webhook: { kind: 'object', fields: { url: TEXT, events: { kind: 'list' } } },
};

/** The shape of a member; of unknown ones a text, which the checks will refuse. */
export function memberOf(shape: FormShape, name: string): FormShape {
  if (shape.kind !== 'object' || shape.fields === null) return TEXT;
  return (Object.hasOwn(shape.fields, name) ? shape.fields[name] : undefined) ?? TEXT;
}

/**
 * A text as what it stands for. What can't be read stays text, so that the checks say what was expected. `null` as text
 * is how the OpenAI SDK for Node wants a null to be sent.
 */
export function readText(text: string, { kind }: FormShape): unknown {
  if (kind === 'text') return text;
  if (text === 'null') return null;
  if (kind === 'integer') return /^(0|-?[1-9]\d{0,14})$/.test(text) ? Number(text) : text;
  if (kind === 'flag') return text === 'true' || (text === 'false' ? false : text);
  const parsed = parseJson(text);
  return (kind === 'list' ? Array.isArray(parsed) : isRecord(parsed)) ? parsed : text;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function toShapes(fields: Readonly<Record<string, Allowed>>): Record<string, FormShape> {
  return Object.fromEntries(Object.entries(fields).map(([name, allowed]) => [name, toShape(allowed)]));
}

function toShape(allowed: Allowed | null): FormShape {
  if (allowed?.kind === 'integer' || allowed?.kind === 'flag') return { kind: allowed.kind };
  return allowed?.kind === 'object' ? { kind: 'object', fields: toShapes(allowed.fields) } : TEXT;
}
