import { assert, constantFrom, integer, property, stringMatching } from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  assertKey,
  assertPrefix,
  fileKey,
  imageKey,
  isKey,
  jobPrefix,
  originalKey,
  provenanceKey,
  unreadableKey,
} from './keys.ts';

const JOB = 'job_01kabcdefghijklmnopqrstuvw';

describe('the key of a file', () => {
  const ID = 'file-01kabcdefghijklmnopqrstuvw';

  test('holds its account and id, and nothing a caller wrote', () => {
    expect(fileKey('acme', ID)).toBe(`files/acme/${ID}`);
    expect(fileKey('acme', `${ID}-output-r2`)).toBe(`files/acme/${ID}-output-r2`);
    expect(isKey(fileKey('a'.repeat(64), `${ID}-${'x'.repeat(40)}`))).toBe(true);
  });

  test.each([
    '',
    'file-',
    ID.slice(0, -1),
    `${ID}x`,
    `${ID}-`,
    `${ID}-${'x'.repeat(41)}`,
    `${ID}-A`,
    `${ID}/x`,
    `${ID}\n`,
  ])('is not made of %j', (id) => {
    expect(() => fileKey('acme', id)).toThrow(TypeError);
    expect(() => fileKey('a/b', ID)).toThrow(TypeError);
  });
});

describe('the key of an image', () => {
  test.each([
    ['png', 'png'],
    ['jpeg', 'jpg'],
    ['webp', 'webp'],
    ['gif', 'gif'],
    ['svg', 'svg'],
  ] as const)('asked for as %s ends with .%s', (format, extension) => {
    expect(imageKey('acme', JOB, 3, format)).toBe(`images/acme/${JOB}/3.${extension}`);
    expect(originalKey('acme', JOB, 3, format)).toBe(`images/acme/${JOB}/3.original.${extension}`);
  });

  test('has its provenance beside it, and lies in its job’s folder', () => {
    expect(provenanceKey(imageKey('acme', JOB, 0, 'png'))).toBe(`images/acme/${JOB}/0.png.json`);
    expect(unreadableKey('acme', JOB, 0)).toBe(`images/acme/${JOB}/0.unreadable.bin`);
    expect(imageKey('acme', JOB, 0, 'png').startsWith(jobPrefix('acme', JOB))).toBe(true);
  });

  test('is made from our own names only', () => {
    for (const account of ['', 'a/b', '..', 'a.b', 'ä', 'a b', 'a\n', 'x'.repeat(65)]) {
      expect(() => imageKey(account, JOB, 0, 'png')).toThrow(TypeError);
    }
    for (const job of ['', '../x', 'job/1', 'job 1', 'x'.repeat(81)]) {
      expect(() => imageKey('acme', job, 0, 'png')).toThrow(TypeError);
    }
    for (const index of [-1, 0.5, Number.NaN, 10_000])
      expect(() => imageKey('acme', JOB, index, 'png')).toThrow(TypeError);
  });

  test('is a key for every account, job and index', () => {
    const name = stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
    const format = constantFrom('png', 'jpeg', 'webp', 'gif', 'svg');
    assert(
      property(name, name, integer({ min: 0, max: 9_999 }), format, (account, job, index, outputFormat) => {
        expect(isKey(provenanceKey(originalKey(account, job, index, outputFormat)))).toBe(true);
      }),
    );
  });
});

describe('a key', () => {
  test.each(['a', 'a/b.c', 'inputs/acme/0123abc', 'a-b/_c/d.e.f'])('%j is one', (key) => {
    expect(isKey(key)).toBe(true);
    expect(() => assertKey(key)).not.toThrow();
  });

  test.each(
    [
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      '.a',
      'a/.b',
      '../a',
      'a/../b',
      'a..b',
      'a\\b',
      'a b',
      'a\0',
      'a\n',
      'ä',
      'a%2e',
      'a:b',
    ].concat(['x'.repeat(201), Array.from({ length: 300 }, () => 'x').join('/')]),
  )('%j is none', (key) => {
    expect(isKey(key)).toBe(false);
    expect(() => assertKey(key)).toThrow(TypeError);
  });

  test('may be listed by any of its beginnings', () => {
    for (const prefix of ['', 'images/', 'images/acme', 'images/acme/job_1/0.']) {
      expect(() => assertPrefix(prefix)).not.toThrow();
    }
    for (const prefix of ['/', '../', '.tmp/', 'a//', 'a/../b', 'ä'])
      expect(() => assertPrefix(prefix)).toThrow(TypeError);
  });
});
