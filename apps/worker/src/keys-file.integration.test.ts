import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, readVariables } from '@darkroom/shared/base/config.ts';
import { afterAll, describe, expect, test } from 'vitest';
import { workerVariables } from './config.ts';
import { upstreamKeysOf } from './upstream-keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'darkroom-keys-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A key's text, which must show up nowhere. */
const KEY = 'sk-proj-canary-0123456789-abcdefghij';
let count = 0;

function fileOf(content: unknown): string {
  const path = join(folder, `keys-${(count += 1)}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const read = (env: Record<string, string>) => readVariables(workerVariables, env);

function problemsOf(content: unknown): string {
  try {
    read({ OPENAI_KEYS_FILE: fileOf(content) });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('the file was accepted');
}

describe('the upstream keys', () => {
  test('are those of the file, in its order, and what a key leaves out is the environment’s', () => {
    const limits = { 'gpt-image-2': { images_per_minute: 5, burst_seconds: 1 } };
    const path = fileOf([
      { name: 'team-a', key: KEY },
      { name: 'b', key: `${KEY}2`, base_url: 'http://127.0.0.1:9/v1', limits },
    ]);
    const keys = upstreamKeysOf(read({ OPENAI_KEYS_FILE: path, LIMITS: '{"gpt-image-2":{"images_per_minute":60}}' }));
    expect(keys).toEqual([
      {
        name: 'team-a',
        key: KEY,
        baseUrl: 'https://api.openai.com/v1',
        limits: { 'gpt-image-2': { images_per_minute: 60, burst_seconds: 5 } },
      },
      { name: 'b', key: `${KEY}2`, baseUrl: 'http://127.0.0.1:9/v1', limits },
    ]);
  });

  test('without a file are one, named default', () => {
    expect(upstreamKeysOf(read({ OPENAI_API_KEY: KEY }))).toEqual([
      { name: 'default', key: KEY, baseUrl: 'https://api.openai.com/v1', limits: {} },
    ]);
  });

  test('are refused where no header can hold them: each call would fail', () => {
    expect(() => read({ OPENAI_API_KEY: `${KEY}\n` })).toThrow('a line break');
    expect(() => read({ OPENAI_API_KEY: `${KEY}\n` })).not.toThrow('canary');
  });

  test('have to be told in one way or the other', () => {
    expect(() => read({})).toThrow('OPENAI_API_KEY must be set, or OPENAI_KEYS_FILE');
  });
});

describe('a file is refused', () => {
  const one = { name: 'a', key: KEY };
  test.each<[string, unknown, readonly string[]]>([
    ['that is not JSON', `[{"name":"a","key":"${KEY}" oops}]`, ['not JSON at position']],
    ['that ends too soon', `[{"name":"a","key":"${KEY}`, ['not JSON']],
    ['that is no list', { a: KEY }, ['expected array']],
    ['that lists nothing', [], ['no key is listed']],
    ['with an unknown field, by its name', [{ ...one, baseurl: 'x' }], ['0: ', 'baseurl']],
    ['with a key for a field', [{ name: 'a', [KEY]: '' }], ['0.key', '…']],
    ['with a short key for a field', [{ ...one, 'sk-canary': '' }], ['0: ', '…']],
    ['with a key of all characters for a field', [{ ...one, 'sk-0123456789abcdefghijk.canary/+=': '' }], ['0: ', '…']],
    ['with a line break in a key', [{ ...one, key: `${KEY}\n` }], ['0.key: has a space, a line break']],
    ['with a name in capitals', [{ ...one, name: 'Team A' }], ['0.name: not 1 to 40']],
    ['with a name too long', [{ ...one, name: 'a'.repeat(41) }], ['0.name: not 1 to 40']],
    ['with the key for a name', [{ name: KEY.toUpperCase(), key: KEY }], ['0.name']],
    ['with a name listed twice', [one, { name: 'a', key: 'sk-2' }], ['1.name: is listed before']],
    ['with a key listed twice', [one, { name: 'b', key: KEY }], ['1.key: is listed before']],
    ['without a key', [{ name: 'a' }], ['0.key']],
    ['with an empty key', [{ name: 'a', key: '' }], ['0.key: empty']],
    ['with a base URL that is none', [{ ...one, base_url: 'ftp://x' }], ['0.base_url: not an http(s) URL']],
    ['with a limit of zero', [{ ...one, limits: { m: { images_per_minute: 0 } } }], ['0.limits.m.images_per_minute']],
    ['with an unknown limit', [{ ...one, limits: { m: { images: 5 } } }], ['0.limits.m', 'images']],
    ['with several problems: all are named', [{ name: 'A' }, { name: 'b', key: '' }], ['0.name', '0.key', '1.key']],
  ])('%s', (_, content, words) => {
    const problems = problemsOf(content);
    for (const word of ['OPENAI_KEYS_FILE', ...words]) expect(problems).toContain(word);
    expect(problems).not.toMatch(/canary/i);
  });

  test('that is not there', () => {
    expect(() => read({ OPENAI_KEYS_FILE: join(folder, 'none.json') })).toThrow('can’t be read: ENOENT');
  });
});
