// What the operator told of a model's limits.
import type { ToldLimits } from '../base/variables.ts';
import { limitNamesOf } from './rules.ts';

/** The least images a minute told for the model and its family; null when nothing was. */
export function toldImagesPerMinute(limits: ToldLimits, model: string): number | null {
  const told = limitNamesOf(model).flatMap((name) => limits[name]?.images_per_minute ?? []);
  return told.length === 0 ? null : Math.min(...told);
}
