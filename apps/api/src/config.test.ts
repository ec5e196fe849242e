import { ConfigError } from '@darkroom/shared/base/config.ts';
import { describe, expect, it } from 'vitest';
import { apiVariables, readConfig } from './config.ts';

const KEYS = { API_KEYS: 'shop:dk_0123456789abcdef' };

function problemsOf(env: Record<string, string>): string {
  try {
    readConfig(env);
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join('\n');
    throw error;
  }
}

describe('readConfig', () => {
  it('needs nothing but keys', () => {
    expect(readConfig(KEYS)).toMatchObject({
      HOST: '127.0.0.1',
      PORT: 3000,
      PUBLIC_URL: 'http://localhost:3000',
      AUTH: 'keys',
      DEFAULT_MODEL: 'gpt-image-2.6-flare',
      MODEL_POLICY: 'translate',
      IMAGE_URL_TTL: 86_400_000,
      MAX_QUEUE_DEPTH: 100_000,
      MAX_ACCOUNT_QUEUE_DEPTH: 50_000,
    });
  });

  it('derives PUBLIC_URL from PORT and drops its trailing slash', () => {
    expect(readConfig({ ...KEYS, PORT: '8080' }).PUBLIC_URL).toBe('http://localhost:8080');
    expect(readConfig({ ...KEYS, PUBLIC_URL: 'https://img.example/d/' }).PUBLIC_URL).toBe('https://img.example/d');
  });

  it.each<[Record<string, string>, RegExp]>([
    [{}, /AUTH=keys needs API_KEYS or ADMIN_KEY/],
    [{ AUTH: 'off', HOST: '0.0.0.0' }, /AUTH=off needs a loopback HOST.*0\.0\.0\.0/],
    [{ ...KEYS, PORT: '0' }, /PORT may be .*"0"/],
    [{ ...KEYS, PORT: '65536' }, /PORT/],
    [{ ...KEYS, PUBLIC_URL: 'ftp://x' }, /PUBLIC_URL may be http/],
    [{ ...KEYS, PUBLIC_URL: 'https://x/?a=1' }, /PUBLIC_URL.*query/],
    [{ ...KEYS, STORAGE_PUBLIC_URL: 'cdn' }, /STORAGE_PUBLIC_URL/],
    [{ ...KEYS, STORAGE_URL: 's3://B' }, /STORAGE_URL/],
    [{ ...KEYS, MODEL_POLICY: 'guess' }, /MODEL_POLICY may be `translate`/],
    [{ ...KEYS, DEFAULT_MODEL: 'gpt-image-9' }, /DEFAULT_MODEL.*gpt-image-9/],
    [{ ...KEYS, AUTH: 'none' }, /AUTH may be `keys` or `off`/],
    [{ ...KEYS, IMAGE_URL_TTL: 'forever' }, /IMAGE_URL_TTL/],
    [{ ...KEYS, IMAGE_URL_TTL: '0s' }, /IMAGE_URL_TTL/],
    [{ ...KEYS, MAX_QUEUE_DEPTH: '-1' }, /MAX_QUEUE_DEPTH/],
    [{ ...KEYS, LOG_PROMPTS: 'yes' }, /LOG_PROMPTS/],
    [{ ADMIN_KEY: 'two words' }, /ADMIN_KEY.*\(not shown\)/],
    [{ API_KEYS: 'shop:sk_0123456789abcdef' }, /API_KEYS.*\(not shown\).*entry 1/],
  ])('refuses %j', (env, problem) => {
    expect(problemsOf(env)).toMatch(problem);
  });

  it('names every problem at once', () => {
    const problems = problemsOf({ ...KEYS, PORT: 'x', AUTH: 'x', LIMITS: '{' });
    for (const name of ['PORT', 'AUTH', 'LIMITS']) expect(problems).toContain(name);
  });

  it('repeats no secret', () => {
    const problems = problemsOf({
      API_KEYS: 'shop:sk_hush',
      ADMIN_KEY: 'hush hush',
      SIGNING_SECRET: 'hush',
      REDIS_URL: 'hush',
      WEBHOOK_SECRET: 'hush',
      WEBHOOK_SECRETS: 'shop:hush',
    });
    expect(problems).not.toContain('hush');
  });

  it.each(['localhost', '127.0.0.1', '127.8.8.8', '::1'])('allows AUTH=off on %s', (HOST) => {
    expect(readConfig({ AUTH: 'off', HOST }).AUTH).toBe('off');
  });

  it('knows no webhook secret of an account without a key, and no bad list of private addresses', () => {
    const WEBHOOK_SECRETS = `shoop:whsec_${'A'.repeat(44)}`;
    expect(problemsOf({ ...KEYS, WEBHOOK_SECRETS })).toContain(
      'WEBHOOK_SECRETS names "shoop", which API_KEYS does not',
    );
    expect(problemsOf({ ...KEYS, ALLOW_PRIVATE_URLS: '10.0.0' })).toMatch(
      /ALLOW_PRIVATE_URLS may be .*"10.0.0".*is not/,
    );
  });

  it('takes an unknown default model where unknown models pass', () => {
    expect(readConfig({ ...KEYS, DEFAULT_MODEL: 'x', ALLOW_UNKNOWN_MODELS: 'true' }).DEFAULT_MODEL).toBe('x');
  });

  it('says of every variable what it is for and what it may be', () => {
    for (const { about, allowed } of Object.values(apiVariables)) {
      expect(about.length).toBeGreaterThan(10);
      expect(allowed.length).toBeGreaterThan(3);
    }
  });
});
