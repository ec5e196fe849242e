// The rules of every OpenAI image model, and how to find them. Everything specific to a model is a row of openai.json;
// nothing here or elsewhere asks for a model by name. Time is passed in.
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
 * True from the shutdown day (UTC) on, or before it when the upstream has answered "does not exist" for a model the
 * rules call deprecated (`learned`: ids or snapshots). `now` in ms.
 */
export function isRetired(rules: ModelRules, now: number, learned?: ReadonlySet<string>): boolean {
  if (rules.status === 'retired') return true;
  if (rules.shutdownDate !== null && now >= Date.parse(rules.shutdownDate)) return true;
  return rules.status === 'deprecated' && [rules.id, ...rules.snapshots].some((name) => learned?.has(name));
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
