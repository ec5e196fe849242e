// Tells the caller of a job that the model asked for ends or has ended.
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { Deps } from '../deps.ts';
import { deprecationHeaders } from './deprecation-headers.ts';

/** Reply headers; none while the model lives on. */
export function deprecationOf(
  { spec }: Pick<JobRecord, 'spec'>,
  { learnedModels }: Pick<Deps, 'learnedModels'>,
): Record<string, string> {
  return deprecationHeaders(spec.requestedModel, spec.model, learnedModels.current(), Date.now());
}
