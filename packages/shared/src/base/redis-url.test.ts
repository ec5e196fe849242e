import { describe, expect, it } from 'vitest';
import { parseRedisUrl, type SentinelAddress } from './redis-url.ts';

const SENTINEL: SentinelAddress = {
  kind: 'sentinel',
  sentinels: [{ host: 'a', port: 26_379 }],
  master: 'mymaster',
  username: null,
  password: null,
  sentinelUsername: null,
  sentinelPassword: null,
  db: 0,
  isTls: false,
  shown: 'redis-sentinel://a/mymaster',
};

describe('one server', () => {
  it.each([
    ['redis://127.0.0.1:6379', 'redis://127.0.0.1:6379'],
    ['redis://localhost', 'redis://localhost'],
    ['redis://localhost/3', 'redis://localhost/3'],
    ['redis://localhost/', 'redis://localhost'],
    ['rediss://user:pa%2Fss@redis.example.com:6380/2', 'rediss://redis.example.com:6380/2'],
    ['redis://:hush@[::1]:6379', 'redis://[::1]:6379'],
    ['redis://h:6379?family=6', 'redis://h:6379'],
  ])('%s', (url, shown) => {
    expect(parseRedisUrl(url)).toEqual({ kind: 'server', url, shown });
  });
});

describe('sentinels', () => {
  it.each<[url: string, address: Partial<SentinelAddress>]>([
    ['redis-sentinel://a/mymaster', {}],
    [
      'redis-sentinel://a:1,b.example:2,[::1]:3,[fe80::1]/mymaster',
      {
        sentinels: [
          { host: 'a', port: 1 },
          { host: 'b.example', port: 2 },
          { host: '::1', port: 3 },
          { host: 'fe80::1', port: 26_379 },
        ],
        shown: 'redis-sentinel://a:1,b.example:2,[::1]:3,[fe80::1]/mymaster',
      },
    ],
    ['redis-sentinel://a/mymaster/7', { db: 7, shown: 'redis-sentinel://a/mymaster/7' }],
    ['redis-sentinel://a/my%20master', { master: 'my master', shown: 'redis-sentinel://a/my%20master' }],
    ['redis-sentinel://user:hush@a/mymaster', { username: 'user', password: 'hush' }],
    ['redis-sentinel://:p%40ss%3Aw%2Frd@a/mymaster', { password: 'p@ss:w/rd' }],
    ['redis-sentinel://:a@b@a/mymaster', { password: 'a@b' }],
    [
      'redis-sentinel://u:p@a/mymaster?sentinel_username=watch&sentinel_password=h%26ush',
      { username: 'u', password: 'p', sentinelUsername: 'watch', sentinelPassword: 'h&ush' },
    ],
    ['rediss-sentinel://a/mymaster', { isTls: true, shown: 'rediss-sentinel://a/mymaster' }],
  ])('%s', (url, address) => {
    expect(parseRedisUrl(url)).toEqual({ ...SENTINEL, ...address });
  });
});

describe('what is wrong is said, without the password', () => {
  it.each([
    ['', 'not a redis URL'],
    ['hush', 'not a redis URL'],
    ['http://localhost:6379', 'not a redis URL'],
    ['redis:/localhost', 'not a redis URL'],
    ['redis://', 'names no host'],
    ['redis://:hush@', 'not a URL'],
    ['redis://user:hu/sh@localhost', 'not a URL'],
    ['redis://:hush@localhost/main', 'its database is not a number'],
    ['redis-sentinel:a/mymaster', 'not a URL'],
    ['redis-sentinel://:hu/sh@a/mymaster', 'sentinel 1 is not host or host:port'],
    ['redis-sentinel://a', 'names no master group'],
    ['redis-sentinel://a,b/', 'names no master group'],
    ['redis-sentinel:///mymaster', 'sentinel 1 is not host or host:port'],
    ['redis-sentinel://a,,b/mymaster', 'sentinel 2 is not host or host:port'],
    ['redis-sentinel://a:99999/mymaster', 'sentinel 1 is not host or host:port'],
    ['redis-sentinel://a:0/mymaster', 'sentinel 1 is not host or host:port'],
    ['redis-sentinel://a:b/mymaster', 'sentinel 1 is not host or host:port'],
    ['redis-sentinel://hush@a/mymaster', 'has a user without a password'],
    ['redis-sentinel://:hush%@a/mymaster', 'has a % that'],
    ['redis-sentinel://a/mymaster/x', 'its database is not a number'],
    ['redis-sentinel://a/mymaster/1/2', 'has more than a master name and a database'],
    ['redis-sentinel://a/mymaster?role=slave', 'unknown parameter "role"'],
    ['redis-sentinel://:hush@a/mymaster#x', 'not a URL'],
  ])('%j: %s', (url, problem) => {
    let message = '';
    try {
      parseRedisUrl(url);
    } catch (error) {
      message = error instanceof RangeError ? error.message : '';
    }
    expect(message).toContain(problem);
    expect(message).not.toContain('hush');
  });
});
