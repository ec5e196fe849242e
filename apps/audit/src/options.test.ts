import { describe, expect, test } from 'vitest';
import { HELP, Misuse, parseOptions } from './options.ts';

const NONE = { deep: false, all: false, json: false, help: false, callTimeoutMs: null };

describe('the options', () => {
  test.each([
    [[], {}],
    [['--deep', '--json'], { deep: true, json: true }],
    [['--all', '--help'], { all: true, help: true }],
    [['--call-timeout', '90s'], { callTimeoutMs: 90_000 }],
    [['--call-timeout=10m'], { callTimeoutMs: 600_000 }],
  ])('%j are read', (args, expected) => {
    expect(parseOptions(args)).toEqual({ ...NONE, ...expected });
  });

  test.each([
    [['--nope'], /--nope/],
    [['job_1'], /job_1/],
    [['--call-timeout'], /call-timeout/],
    [['--call-timeout', '90'], /it was "90"/],
    [['--call-timeout', 'forever'], /it was "forever"/],
    [['--deep=yes'], /deep/],
  ])('%j are misuse, and the message says what', (args, message) => {
    expect(() => parseOptions(args)).toThrow(Misuse);
    expect(() => parseOptions(args)).toThrow(message);
  });

  test('are all in the help', () => {
    for (const name of [...Object.keys(NONE).slice(0, 4), 'call-timeout']) expect(HELP).toContain(`--${name}`);
  });
});
