// What requests of an account are checked against: the operator's policy, what the upstream told of its models,
// and what its webhooks may be.
import type { ValidateContext } from '@darkroom/shared/requests/validate.ts';
import type { Deps } from '../deps.ts';
import { webhookRulesOf } from './webhook-rules.ts';

export function validationContextOf(deps: Deps, account: string): ValidateContext {
  const { config, learnedModels } = deps;
  return {
    now: Date.now(),
    modelPolicy: config.MODEL_POLICY,
    defaultModel: config.DEFAULT_MODEL,
    allowUnknownModels: config.ALLOW_UNKNOWN_MODELS,
    variationPrompt: config.VARIATION_PROMPT,
    learned: learnedModels.current(),
    webhooks: webhookRulesOf(deps, account),
  };
}
