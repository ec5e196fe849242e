// What lines of an account are checked against: the operator's policy, what the upstream told of its models, and what
// its webhooks may be.
import { readLearnedModels } from '@darkroom/shared/models/learned.ts';
import { parseAllowPrivate } from '@darkroom/shared/net/address.ts';
import type { ValidateContext } from '@darkroom/shared/requests/validate.ts';
import { webhookRulesOf } from '@darkroom/shared/webhooks/rules.ts';
import type { Deps } from '../../deps.ts';

export async function readValidationContext(deps: Deps, account: string): Promise<ValidateContext> {
  return {
    now: Date.now(),
    modelPolicy: deps.config.MODEL_POLICY,
    defaultModel: deps.config.DEFAULT_MODEL,
    allowUnknownModels: deps.config.ALLOW_UNKNOWN_MODELS,
    variationPrompt: deps.config.VARIATION_PROMPT,
    learned: await readLearnedModels(deps.redis, deps.keys),
    webhooks: webhookRulesOf(deps.webhooks.secrets, parseAllowPrivate(deps.config.ALLOW_PRIVATE_URLS), account),
  };
}
