// Who may call: API keys → accounts. Keys are hashed as soon as they are read and never kept in clear; the comparison
// takes the same time whichever key is presented.
import { createHash, timingSafeEqual } from 'node:crypto';

/** The account of every request under AUTH=off. */
export const DEFAULT_ACCOUNT = 'default';

const ENTRY = /^([A-Za-z0-9_-]{1,64}):(dk_[A-Za-z0-9_-]+)$/;

export interface AccountKey {
  readonly account: string;
  /** sha256 of the key. */
  readonly keyHash: Buffer;
}

export type ParsedApiKeys =
  | { readonly ok: true; readonly keys: readonly AccountKey[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * `name:dk_…,name:dk_…`; an account may have several keys. Problems name entries by their place, because an entry is a
 * secret.
 */
export function parseApiKeys(text: string): ParsedApiKeys {
  const keys: AccountKey[] = [];
  const problems: string[] = [];
  for (const [index, entry] of text.split(',').entries()) {
    const match = ENTRY.exec(entry.trim());
    const keyHash = hashSecret(match?.[2] ?? '');
    if (!match) problems.push(`entry ${index + 1} is not name:dk_ followed by letters, digits, _ or -`);
    else if (keys.some((known) => known.keyHash.equals(keyHash))) problems.push(`entry ${index + 1} repeats a key`);
    else keys.push({ account: match[1] ?? '', keyHash });
  }
  return problems.length === 0 ? { ok: true, keys } : { ok: false, problems };
}

export interface Accounts {
  /** The account of an API key; null when there is none. */
  find(key: string): string | null;
}

export function buildAccounts(keys: readonly AccountKey[]): Accounts {
  return {
    find(key) {
      const presented = hashSecret(key);
      let account: string | null = null;
      for (const known of keys) if (timingSafeEqual(known.keyHash, presented)) account = known.account;
      return account;
    },
  };
}

export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Whether a presented secret is the one with this hash, in constant time. */
export function isSecret(presented: string, hash: Buffer): boolean {
  return timingSafeEqual(hashSecret(presented), hash);
}
