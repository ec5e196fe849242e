// The rules of every OpenAI image model, and how to find them. Everything specific to a model is a row of openai.json;
// nothing here or elsewhere asks for a model by name. Time is passed in.
import type { LearnedModels } from './learned.ts';
import data from './openai.json' with { type: 'json' };
import type { Migration, ModelRules } from './schema.ts';
import { dataSchema } from './schema.ts';

export type { ModelRules, RuleSize } from './schema.ts';

export type Operation = 'generation' | 'edit' | 'variation';
export const OPERATIONS: readonly Operation[] = ['generation', 'edit', 'variation'];

const parsed = dataSchema.parse(data);

export const MODELS: readonly ModelRules[] = parsed.models;
export const MIGRATION: Migration = parsed.migration;

/** The lane and limit name of models the rules do not know. */
const OTHER_LANE = 'other';
/** Every lane there is; names hold no `:`, so they can be queue names. */
export const LANES: readonly string[] = [...MODELS.map((rules) => rules.id), OTHER_LANE];

const byName = new Map(MODELS.flatMap((rules) => [rules.id, ...rules.snapshots].map((name) => [name, rules] as const)));

/** Every id a caller can name: models and their snapshots. */
export const MODEL_NAMES: readonly string[] = [...byName.keys()];

/** The rules an id or a dated snapshot stands for; null when the model is unknown. */
export function findModel(id: string): ModelRules | null {
  return byName.get(id) ?? null;
}

/** The queue of a model: the id of its rules (a snapshot shares it), or `other`. */
export function laneOf(modelId: string): string {
  return findModel(modelId)?.id ?? OTHER_LANE;
}

/** The keys of `LIMITS` that hold for a model: its lane and its family. */
export function limitNamesOf(modelId: string): string[] {
  const rules = findModel(modelId);
  return rules === null ? [OTHER_LANE] : [...new Set([rules.id, rules.family])];
}

/**
 * First UTC day (`YYYY-MM-DD`) on which the model no longer answers; null when none is known. A day the upstream gave
 * replaces the one in the data, but never revives a model the data calls retired.
 */
export function shutdownDateOf(rules: ModelRules, learned?: LearnedModels): string | null {
  if (rules.status === 'retired') return rules.shutdownDate;
  return learned?.shutdownDates.get(rules.id) ?? rules.shutdownDate;
}

/** True when the model's end has been announced, by the data or by the upstream, or has come. */
export function isDeprecated(rules: ModelRules, learned?: LearnedModels): boolean {
  return rules.status !== 'live' || shutdownDateOf(rules, learned) !== null;
}

/**
 * True from the shutdown day (UTC) on, or before it when the upstream has answered "does not exist" for a deprecated
 * model. `now` in ms.
 */
export function isRetired(rules: ModelRules, now: number, learned?: LearnedModels): boolean {
  if (rules.status === 'retired') return true;
  const shutdownDate = shutdownDateOf(rules, learned);
  if (shutdownDate !== null && now >= Date.parse(shutdownDate)) return true;
  return isDeprecated(rules, learned) && [rules.id, ...rules.snapshots].some((name) => learned?.retired.has(name));
}

/** How long before a shutdown callers are warned. */
const SHUTDOWN_NOTICE_MS = 30 * 86_400_000;

/** The shutdown day callers are to be told of: from 30 days before it on, and ever after it; null before. `now` in ms. */
export function announcedShutdownOf(rules: ModelRules, now: number, learned?: LearnedModels): string | null {
  const shutdownDate = shutdownDateOf(rules, learned);
  return shutdownDate !== null && now >= Date.parse(shutdownDate) - SHUTDOWN_NOTICE_MS ? shutdownDate : null;
}

const LONGEST_NAME = 64;
const NAMES_SHOWN = 3;

/** Up to three known names a typo may have meant, nearest first; empty when nothing is near (a third of the letters). */
export function nearestNames(name: string, known: readonly string[]): string[] {
  if (name.length > LONGEST_NAME) return [];
  const limit = Math.max(1, Math.floor(name.length / 3));
  return known
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, NAMES_SHOWN)
    .map(({ candidate }) => candidate);
}

/** Levenshtein distance: inserted, deleted or replaced characters. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
