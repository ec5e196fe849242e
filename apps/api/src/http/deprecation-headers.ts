// Tells a caller that the model asked for ends or has ended: `Sunset` (RFC 8594) and `Deprecation` (RFC 9745).
import type { LearnedModels } from '@darkroom/shared/models/learned.ts';
import { announcedShutdownOf, findModel } from '@darkroom/shared/models/rules.ts';

/**
 * Headers of a reply to a request for `requestedModel` (null: none was named, so `model`, the one called, counts):
 * from 30 days before its shutdown on, and ever after it; none before. `Sunset` is midnight UTC of the day of shutdown;
 * `Deprecation` is the day its end was announced, left out where that day is not known. `now` in ms.
 */
export function deprecationHeaders(
  requestedModel: string | null,
  model: string,
  learned: LearnedModels,
  now: number,
): Record<string, string> {
  const rules = findModel(requestedModel ?? model);
  const shutdownDate = rules === null ? null : announcedShutdownOf(rules, now, learned);
  if (rules === null || shutdownDate === null) return {};
  return {
    ...(rules.deprecatedOn === null ? {} : { deprecation: `@${Date.parse(rules.deprecatedOn) / 1_000}` }),
    sunset: new Date(shutdownDate).toUTCString(),
  };
}
