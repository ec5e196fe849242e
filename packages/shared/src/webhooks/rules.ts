// What a caller's `webhook` has to keep, for one account of one installation.
import { type AllowPrivate, urlProblem } from '../net/address.ts';
import type { WebhookRules } from '../requests/webhook.ts';
import type { WebhookSecrets } from './secrets.ts';

/** Names are looked up and checked again at each try; here only what the URL's text tells. */
export function webhookRulesOf(secrets: WebhookSecrets, allowPrivate: AllowPrivate, account: string): WebhookRules {
  return {
    urlProblem: (url) => urlProblem({ allowPrivate, trustedHosts: [] }, url),
    secretProblem: secrets.problemOf(account),
  };
}
