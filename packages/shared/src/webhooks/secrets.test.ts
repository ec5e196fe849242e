import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ConfigError, readVariables } from '../base/config.ts';
import { buildWebhookSecrets, parseSecret, webhookVariables } from './secrets.ts';

const encoded = (bytes: number): string => randomBytes(bytes).toString('base64');
const secret = (bytes = 32): string => `whsec_${encoded(bytes)}`;
const read = (env: Record<string, string>) => readVariables(webhookVariables, env);
const problemsOf = (env: Record<string, string>): readonly string[] => {
  try {
    read(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
};

describe('a secret', () => {
  test.each([24, 25, 26, 32, 63, 64])('of %i bytes is read, with padding or without', (bytes) => {
    const text = secret(bytes);
    expect(parseSecret(text)).toMatchObject({ ok: true });
    expect(parseSecret(text.replace(/=+$/, ''))).toEqual(parseSecret(text));
  });

  test.each([
    ['', 'does not start with whsec_'],
    [encoded(32), 'does not start with whsec_'],
    ['whsk_abc', 'does not start with whsec_'],
    ['whsec_', 'is not base64'],
    ['whsec_ab cd', 'is not base64'],
    ['whsec_a-b_', 'is not base64'],
    [`whsec_${'A'.repeat(33)}`, 'is not whole base64'],
    [secret(23), 'holds 23 bytes, not 24 to 64'],
    [secret(65), 'holds 65 bytes, not 24 to 64'],
  ])('%j is refused', (text, problem) => {
    expect(parseSecret(text)).toEqual({ ok: false, problem: expect.stringContaining(problem) });
  });
});

describe('the variables', () => {
  test('hold one or two secrets of the API without keys', () => {
    expect(read({}).WEBHOOK_SECRET).toBeNull();
    expect(read({ WEBHOOK_SECRET: secret() }).WEBHOOK_SECRET).toHaveLength(1);
    expect(read({ WEBHOOK_SECRET: `${secret()}  ${secret()} ` }).WEBHOOK_SECRET).toHaveLength(2);
  });

  test('hold the secrets of each account, two while rotating', () => {
    const secrets = buildWebhookSecrets(
      read({ WEBHOOK_SECRETS: `shop:${secret()},other:${secret()}, shop:${secret()}` }),
      'default',
    );
    expect([secrets.of('shop')?.length, secrets.of('other')?.length, secrets.of('default')]).toEqual([2, 1, null]);
  });

  test('give the API without keys its own secret, and nobody else', () => {
    const secrets = buildWebhookSecrets(read({ WEBHOOK_SECRET: secret() }), 'default');
    expect([secrets.of('default')?.length, secrets.of('shop')]).toEqual([1, null]);
    expect(secrets.problemOf('default')).toBeNull();
    expect(secrets.problemOf('shop')).toContain('set WEBHOOK_SECRETS.');
    expect(buildWebhookSecrets(read({}), 'default').problemOf('default')).toContain('set WEBHOOK_SECRET.');
  });

  test('name what is wrong and never show a secret', () => {
    const short = secret(8);
    const [one, many] = problemsOf({
      WEBHOOK_SECRET: `${short} ${secret()} ${secret()} ${secret()}`,
      WEBHOOK_SECRETS: `shop:${short},${short},shop:${secret()},shop:${secret()},shop:${secret()}`,
    });
    expect(one).toMatch(/WEBHOOK_SECRET may be .*secret 1 holds 8 bytes.*more than 2 secrets/);
    expect(many).toMatch(/entry 1 holds 8 bytes.*entry 2 is not name:whsec_….*entry 5 is the third secret of shop/);
    expect(`${one}${many}`).not.toContain(short.slice(6));
  });
});
