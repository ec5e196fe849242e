// What requests of an account are checked against: the operator's policy, the models the upstream has retired, and what
// its webhooks may be.
import type { ValidateContext } from '@darkroom/shared/requests/validate.ts';
import type { Deps } from '../deps.ts';
import { webhookRulesOf } from './webhook-rules.ts';

export function validationContextOf(deps: Deps, account: string): ValidateContext {
  const { config, retiredModels } = deps;
  return {
    now: Date.now(),
    modelPolicy: config.MODEL_POLICY,
    defaultModel: config.DEFAULT_MODEL,
    allowUnknownModels: config.ALLOW_UNKNOWN_MODELS,
    variationPrompt: config.VARIATION_PROMPT,
    retired: retiredModels.current(),
    webhooks: webhookRulesOf(deps, account),
  };
}
