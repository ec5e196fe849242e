// What the operator told of a model's limits.
import type { ToldLimits } from '../base/variables.ts';
import { LANES, limitNamesOf, nearestNames } from './rules.ts';

/** The least images a minute told for the model and its family; null when nothing was. */
export function toldImagesPerMinute(limits: ToldLimits, model: string): number | null {
  const told = limitNamesOf(model).flatMap((name) => limits[name]?.images_per_minute ?? []);
  return told.length === 0 ? null : Math.min(...told);
}

const LIMIT_NAMES: readonly string[] = [...new Set(LANES.flatMap(limitNamesOf))];

/**
 * What is told of names that no model has, as sentences for the operator. It may be meant: a limit holds too once the
 * upstream names it in a 429. A misspelt one, or a snapshot's, would hold for nothing, and say nothing.
 */
export function unusedLimits(limits: ToldLimits): string[] {
  return Object.keys(limits)
    .filter((name) => !LIMIT_NAMES.includes(name))
    .map((name) => {
      const near = [
        ...new Set([...limitNamesOf(name).filter((known) => known !== 'other'), ...nearestNames(name, LIMIT_NAMES)]),
      ];
      const hint = near.length === 0 ? LIMIT_NAMES : near;
      return `'${name}' is no model or family of the rules, so its limits hold for none until the upstream names them; known: ${hint.join(', ')} ('other': all models the rules don't know)`;
    });
}
