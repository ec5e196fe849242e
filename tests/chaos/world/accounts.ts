// Who asks in a run, and the operator.

export type AccountName = 'one' | 'two';

export const ACCOUNTS: readonly AccountName[] = ['one', 'two'];
export const ADMIN_KEY = 'an-operator-of-a-chaos-run';

export function apiKeyOf(account: AccountName): string {
  return `dk_chaos-${account}`;
}

/** Both may always call; whether the second does is the plan's. */
export const ACCOUNT_ENV = {
  AUTH: 'keys',
  API_KEYS: ACCOUNTS.map((account) => `${account}:${apiKeyOf(account)}`).join(','),
  ADMIN_KEY,
} as const;
