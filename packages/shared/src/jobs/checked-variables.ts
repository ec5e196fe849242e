// The shared variables with the checks that base/ can't make, because they need what lies above it. Both apps read these.
import { refined } from '../base/config.ts';
import { sharedVariables } from '../base/variables.ts';
import { parseStorageUrl } from '../images/open-store.ts';
import { findModel } from '../models/rules.ts';
import { parseAllowPrivate } from '../net/address.ts';

export const checkedVariables = {
  ...sharedVariables,
  STORAGE_URL: refined(sharedVariables.STORAGE_URL, parseStorageUrl),
  ALLOW_PRIVATE_URLS: refined(sharedVariables.ALLOW_PRIVATE_URLS, parseAllowPrivate),
};

/** What is wrong with variables that hold together: a model nobody knows would refuse every request that names none. */
export function modelProblems(values: {
  readonly DEFAULT_MODEL: string;
  readonly ALLOW_UNKNOWN_MODELS: boolean;
}): string[] {
  if (values.ALLOW_UNKNOWN_MODELS || findModel(values.DEFAULT_MODEL) !== null) return [];
  const was = JSON.stringify(values.DEFAULT_MODEL);
  return [`DEFAULT_MODEL may be a model of the rules; it was ${was} (ALLOW_UNKNOWN_MODELS=true lets it pass)`];
}
