// Retired → replacement, as the `migration` of the data says. Picks the model and translates single values; applying
// them to a request body is requests/translate-fields.ts.
import type { LearnedModels } from './learned.ts';
import { findModel, isRetired, MIGRATION } from './rules.ts';
import type { ModelRules } from './schema.ts';
import type { Dimensions } from './size.ts';
import { parseSize } from './size.ts';

/** The model the data names for a retired one, by the quality asked for; null when it names none. */
export function replacementOf(rules: ModelRules, quality?: unknown): ModelRules | null {
  const row = MIGRATION.models.find(({ from, quality: of }) => from === rules.id && (of === null || of === quality));
  return row === undefined ? null : findModel(row.to);
}

/** The first replacement that still answers, following replacements of replacements; null when there is none. */
export function livingReplacementOf(
  rules: ModelRules,
  quality: unknown,
  now: number,
  learned?: LearnedModels,
): ModelRules | null {
  const seen = new Set<ModelRules>();
  let next = replacementOf(rules, quality);
  while (next !== null && isRetired(next, now, learned) && !seen.has(next)) {
    seen.add(next);
    next = replacementOf(next, quality);
  }
  return next !== null && !isRetired(next, now, learned) ? next : null;
}

/** What a value of the old model is called on the new one; unchanged where the data says nothing. */
export function translateValue(field: string, value: unknown, target: ModelRules): unknown {
  return typeof value === 'string' ? (valuesOf(field, target)[value] ?? value) : value;
}

function valuesOf(field: string, target: ModelRules): Readonly<Record<string, string>> {
  if (field === 'quality') return MIGRATION.quality;
  if (field !== 'size') return {};
  return target.size.kind === 'rule' ? MIGRATION.size.ruleTargets : MIGRATION.size.listTargets;
}

/** The new name of a field, or null when it keeps its name. */
export function renamedField(field: string): string | null {
  return MIGRATION.rename[field] ?? null;
}

/** Pixels to scale a result down to when the asked size has no equal on any newer model; null otherwise. */
export function downscaleOf(size: unknown): Dimensions | null {
  return typeof size === 'string' && MIGRATION.size.downscale.includes(size) ? parseSize(size) : null;
}
