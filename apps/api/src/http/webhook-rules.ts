// What webhooks of an account may be: its URLs are checked by the guard's rules, and it needs a secret to sign with.
import type { WebhookRules } from '@darkroom/shared/requests/webhook.ts';
import { webhookRulesOf as rulesOf } from '@darkroom/shared/webhooks/rules.ts';
import type { Deps } from '../deps.ts';

export function webhookRulesOf({ allowPrivate, webhookSecrets }: Deps, account: string): WebhookRules {
  return rulesOf(webhookSecrets, allowPrivate, account);
}
