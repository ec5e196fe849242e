import { describe, expect, it } from 'vitest';
import { buildAccounts, hashSecret, isSecret, parseApiKeys } from './accounts.ts';

const KEY = 'dk_0123456789abcdef';
const OTHER = 'dk_fedcba9876543210_-';

function accountsOf(text: string) {
  const parsed = parseApiKeys(text);
  if (!parsed.ok) throw new Error(parsed.problems.join());
  return buildAccounts(parsed.keys);
}

describe('parseApiKeys', () => {
  it.each([
    ['no name', KEY],
    ['an empty name', `:${KEY}`],
    ['a name with a space', `a b:${KEY}`],
    ['a name of 65 characters', `${'n'.repeat(65)}:${KEY}`],
    ['another prefix', 'a:sk_0123456789abcdef'],
    ['a key of another kind', 'a:sk_0123456789abcdef'],
    ['a key with a dot', 'a:dk_0123456789.abcdef'],
    ['an empty entry', `a:${KEY},`],
  ])('refuses %s without repeating it', (_what, text) => {
    const parsed = parseApiKeys(text);
    expect(parsed.ok).toBe(false);
    expect(JSON.stringify(parsed)).not.toContain('0123456789');
  });

  it('names every bad entry by its place', () => {
    expect(parseApiKeys(`x,a:${KEY},b:${KEY}`)).toEqual({
      ok: false,
      problems: [expect.stringContaining('entry 1'), 'entry 3 repeats a key'],
    });
  });
});

describe('accounts', () => {
  it('finds the account of each of its keys', () => {
    const accounts = accountsOf(`shop:${KEY}, shop:${OTHER}`);
    expect([accounts.find(KEY), accounts.find(OTHER)]).toEqual(['shop', 'shop']);
  });

  it.each(['', 'dk_', `${KEY}x`, KEY.slice(0, -1), KEY.toUpperCase()])('knows no account for %j', (key) => {
    expect(accountsOf(`shop:${KEY}`).find(key)).toBeNull();
  });

  it('keeps no key in clear', () => {
    expect(JSON.stringify(parseApiKeys(`shop:${KEY}`))).not.toContain(KEY);
  });
});

describe('isSecret', () => {
  it('compares by hash', () => {
    expect(isSecret('admin', hashSecret('admin'))).toBe(true);
    expect(isSecret('admin ', hashSecret('admin'))).toBe(false);
  });
});
