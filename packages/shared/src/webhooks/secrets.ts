// Webhook secrets: how they are written, which variables hold them, whose they are. They live in the processes' memory
// alone: never in Redis, in a log or in an error.

import { z } from 'zod';
import { optionalVariable, type Variable } from '../base/config.ts';

/** Standard Webhooks: 24 to 64 random bytes. */
const SHORTEST_BYTES = 24;
const LONGEST_BYTES = 64;
/** The one that is valid and the one that is on its way in or out. */
const MOST_SECRETS = 2;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const ENTRY = /^([A-Za-z0-9_-]{1,64}):(.+)$/;

export type ParsedSecret =
  | { readonly ok: true; readonly secret: Buffer }
  | { readonly ok: false; readonly problem: string };

/** `whsec_` and base64 of 24 to 64 bytes → the bytes. The problem never repeats the text. */
export function parseSecret(text: string): ParsedSecret {
  if (!text.startsWith('whsec_')) return { ok: false, problem: 'does not start with whsec_' };
  const encoded = text.slice('whsec_'.length);
  if (!BASE64.test(encoded)) return { ok: false, problem: 'is not base64 after whsec_' };
  const secret = Buffer.from(encoded, 'base64');
  if (secret.toString('base64').replace(/=+$/, '') !== encoded.replace(/=+$/, '')) {
    return { ok: false, problem: 'is not whole base64 after whsec_' };
  }
  if (secret.length < SHORTEST_BYTES || secret.length > LONGEST_BYTES) {
    return { ok: false, problem: `holds ${secret.length} bytes, not ${SHORTEST_BYTES} to ${LONGEST_BYTES}` };
  }
  return { ok: true, secret };
}

/** An account's secrets, the newest first; signed with each of them. */
export type AccountSecrets = ReadonlyMap<string, readonly Buffer[]>;

const oneAccount: z.ZodType<readonly Buffer[], string> = z.string().transform((text, context) => {
  const secrets: Buffer[] = [];
  for (const [index, word] of text.trim().split(/\s+/).entries()) {
    const parsed = parseSecret(word);
    if (parsed.ok) secrets.push(parsed.secret);
    else context.addIssue({ code: 'custom', message: `secret ${index + 1} ${parsed.problem}` });
  }
  if (secrets.length > MOST_SECRETS) context.addIssue({ code: 'custom', message: `more than ${MOST_SECRETS} secrets` });
  return secrets;
});

const manyAccounts: z.ZodType<AccountSecrets, string> = z.string().transform((text, context) => {
  const accounts = new Map<string, Buffer[]>();
  const refuse = (index: number, problem: string): void =>
    context.addIssue({ code: 'custom', message: `entry ${index + 1} ${problem}` });
  for (const [index, entry] of text.split(',').entries()) {
    const [, account = '', secret = ''] = ENTRY.exec(entry.trim()) ?? [];
    const parsed = parseSecret(secret);
    const known = accounts.get(account) ?? [];
    if (account === '') refuse(index, 'is not name:whsec_…');
    else if (!parsed.ok) refuse(index, parsed.problem);
    else if (known.length === MOST_SECRETS) refuse(index, `is the third secret of ${account}`);
    else accounts.set(account, [...known, parsed.secret]);
  }
  return accounts;
});

/** Read by the API, which refuses webhooks nobody could sign, and by the worker, which signs. */
export const webhookVariables = {
  WEBHOOK_SECRET: optionalVariable(oneAccount, {
    about:
      'Signs the webhooks of an API with `AUTH=off`; two secrets while rotating: each webhook then carries two signatures.',
    allowed: 'one or two `whsec_` + base64 of 24 to 64 bytes, separated by a space',
    secret: true,
  }),
  WEBHOOK_SECRETS: optionalVariable(manyAccounts, {
    about:
      'Signs the webhooks of the accounts of API_KEYS: `name:whsec_…,name:whsec_…`; an account named twice has two secrets.',
    allowed: 'name:whsec_… pairs separated by commas',
    secret: true,
  }),
} satisfies Record<string, Variable<unknown>>;

export interface WebhookSecrets {
  /** The secrets of an account, null when it has none. */
  of(account: string): readonly Buffer[] | null;
  /** Why nothing can be signed for an account, for its caller; null when it has a secret. */
  problemOf(account: string): string | null;
}

/** `WEBHOOK_SECRET` belongs to the account of an API without keys, unless `WEBHOOK_SECRETS` names that account. */
export function buildWebhookSecrets(
  values: { readonly WEBHOOK_SECRET: readonly Buffer[] | null; readonly WEBHOOK_SECRETS: AccountSecrets | null },
  accountWithoutKeys: string,
): WebhookSecrets {
  const of = (account: string): readonly Buffer[] | null =>
    values.WEBHOOK_SECRETS?.get(account) ?? (account === accountWithoutKeys ? values.WEBHOOK_SECRET : null);
  return {
    of,
    problemOf(account) {
      if (of(account) !== null) return null;
      const variable = account === accountWithoutKeys ? 'WEBHOOK_SECRET' : 'WEBHOOK_SECRETS';
      return `There is no secret to sign webhooks of this account with: the operator has to set ${variable}.`;
    },
  };
}
