// How an edit travels to the upstream: as a form with files, or as JSON with data URLs, which some fields need.
import { findModel, MODELS } from './rules.ts';
import type { ModelRules } from './schema.ts';

export type EditWire = 'multipart' | 'json';

type EditBody = Readonly<Record<string, unknown>>;

/**
 * The wire of an edit with this body: JSON only where a field of it is not taken in a form. A model the rules do not know
 * is taken for a current one.
 */
export function editWireOf(model: string, body: EditBody): EditWire {
  return jsonOnlyFieldsOf(model, body).length === 0 ? 'multipart' : 'json';
}

/** The fields of the body that only the JSON edit takes. */
export function jsonOnlyFieldsOf(model: string, body: EditBody): string[] {
  const fields = jsonEditsOf(model).flatMap(({ onlyFields }) => onlyFields);
  return [...new Set(fields)].filter((field) => body[field] !== undefined && body[field] !== null);
}

/** The longest `image_url` the JSON edit takes, in characters. */
export function longestImageUrlOf(model: string): number {
  return Math.min(...jsonEditsOf(model).map(({ maxUrlLength }) => maxUrlLength));
}

type JsonEdit = NonNullable<NonNullable<ModelRules['edit']>['json']>;

function jsonEditsOf(model: string): JsonEdit[] {
  const rules = findModel(model);
  const candidates = rules === null ? MODELS.filter(({ status }) => status === 'live') : [rules];
  return candidates.flatMap(({ edit }) => (edit?.json ? [edit.json] : []));
}
