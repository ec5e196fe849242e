import { describe, expect, test } from 'vitest';
import { type AddressPolicy, isAllowed, parseAllowPrivate, urlProblem } from './address.ts';

function policy(allow: string, trustedHosts: readonly string[] = []): AddressPolicy {
  return { allowPrivate: parseAllowPrivate(allow), trustedHosts };
}

const may = (allow: string, address: string, host = 'example.com'): boolean =>
  isAllowed(policy(allow), host, '443', address);

describe('ALLOW_PRIVATE_URLS', () => {
  test.each([
    '',
    'false',
    'true',
    '10.0.0.0/8',
    '10.0.0.1, fd00::/8',
    'minio localhost',
    'true,169.254.169.254',
    '[::1]',
  ])('%j is understood', (text) => expect(() => parseAllowPrivate(text)).not.toThrow());

  test.each([
    ['yes/no', '"yes/no"'],
    ['10.0.0.0/33', '"10.0.0.0/33"'],
    ['10.0.0', '"10.0.0"'],
    ['http://intranet', '"http://intranet"'],
    ['false,10.0.0.1', '"false"'],
    ['10.0.0.1,false', '"false"'],
    ['host:80', '"host:80"'],
  ])('%j is refused, naming the entry', (text, named) => {
    expect(() => parseAllowPrivate(text)).toThrow(named);
  });
});

describe('which addresses may be reached', () => {
  test('public ones, always', () => {
    for (const allow of ['false', 'true', '10.0.0.0/8']) expect(may(allow, '8.8.8.8')).toBe(true);
  });

  test.each([
    ['false', '10.0.0.1', false],
    ['true', '10.0.0.1', true],
    ['true', '127.0.0.1', true],
    ['true', '::1', true],
    ['true', '::ffff:10.0.0.1', true],
    ['10.0.0.0/8', '10.9.9.9', true],
    ['10.0.0.0/8', '11.0.0.1', true],
    ['10.0.0.0/8', '192.168.0.1', false],
    ['10.0.0.0/8', '::ffff:10.0.0.1', false],
    ['::1', '::1', true],
    ['::1', '127.0.0.1', false],
  ])('with %s, %s: %s', (allow, address, expected) => expect(may(allow, address)).toBe(expected));

  test.each([
    ['true', '169.254.169.254', false],
    ['0.0.0.0/0', '169.254.169.254', false],
    ['169.254.0.0/15', '169.254.169.254', false],
    ['169.254.0.0/16', '169.254.169.254', true],
    ['169.254.169.254', '169.254.169.254', true],
    ['true,169.254.169.254', '169.254.169.254', true],
    ['169.254.169.254', '169.254.169.253', false],
    ['169.254.169.254', '::ffff:169.254.169.254', false],
    ['true', '::ffff:169.254.169.254', false],
    ['true', '64:ff9b::a9fe:a9fe', false],
    ['true', 'fe80::1', false],
    ['fe80::/10', 'fe80::1', true],
    ['::/0', 'fe80::1', false],
    ['true', 'fd00:ec2::254', false],
    ['fd00::/8', 'fd00:ec2::254', false],
    ['fd00:ec2::254', 'fd00:ec2::254', true],
    ['true', '100.100.100.200', false],
    ['100.64.0.0/10', '100.100.100.200', false],
    ['100.100.100.200', '100.100.100.200', true],
    ['false', '168.63.129.16', false],
    ['true', '168.63.129.16', false],
    ['168.63.129.16/32', '168.63.129.16', true],
  ])('link-local and metadata only when listed literally: with %s, %s: %s', (allow, address, expected) => {
    expect(may(allow, address)).toBe(expected);
  });

  test('a listed host may be private under its own name only, and never link-local', () => {
    expect(may('intranet.example', '10.0.0.1', 'intranet.example')).toBe(true);
    expect(may('intranet.example', '10.0.0.1', 'INTRANET.example.')).toBe(true);
    expect(may('intranet.example', '10.0.0.1', 'other.example')).toBe(false);
    expect(may('intranet.example', '10.0.0.1', 'a.intranet.example')).toBe(false);
    expect(may('intranet.example', '169.254.169.254', 'intranet.example')).toBe(false);
  });

  test('a metadata host only when it is listed itself', () => {
    expect(may('true', '10.0.0.1', 'metadata.google.internal')).toBe(false);
    expect(may('false', '8.8.8.8', 'metadata.google.internal.')).toBe(false);
    expect(may('metadata.google.internal', '169.254.169.254', 'metadata.google.internal')).toBe(true);
  });

  test('a trusted host has any address, on its port if it has one', () => {
    const trusted = policy('false', ['localhost', '127.0.0.5:4010', '[::1]:80', 'S3.local']);
    expect(isAllowed(trusted, 'localhost', '80', '127.0.0.1')).toBe(true);
    expect(isAllowed(trusted, 's3.local', '9000', '10.0.0.1')).toBe(true);
    expect(isAllowed(trusted, '127.0.0.5', '4010', '127.0.0.5')).toBe(true);
    expect(isAllowed(trusted, '127.0.0.5', '6379', '127.0.0.5')).toBe(false);
    expect(isAllowed(trusted, '[::1]', '80', '::1')).toBe(true);
    expect(isAllowed(trusted, '::1', '81', '::1')).toBe(false);
    expect(isAllowed(trusted, 'localhost.evil.test', '80', '127.0.0.1')).toBe(false);
  });

  test('an address nobody can read may not', () => {
    for (const address of ['', 'fe80::1%lo', 'junk']) expect(may('true', address)).toBe(false);
  });
});

describe('a URL at submit', () => {
  test.each([
    'https://example.com/hook',
    'http://8.8.8.8:8080/',
    'https://[2606:4700:4700::1111]/',
    'http://user.example/',
  ])('%s is accepted', (url) => expect(urlProblem(policy('false'), url)).toBeNull());

  test.each([
    ['not a url', 'is not a URL'],
    ['/relative', 'is not a URL'],
    ['http://', 'is not a URL'],
    ['http://1.2.3.4.5/', 'is not a URL'],
    ['http://256.256.256.256/', 'is not a URL'],
    ['ftp://example.com/', 'must be an http or https URL'],
    ['file:///etc/passwd', 'must be an http or https URL'],
    ['gopher://example.com/', 'must be an http or https URL'],
    ['javascript:alert(1)', 'must be an http or https URL'],
    ['data:text/plain,hello', 'must be an http or https URL'],
    ['http://user@example.com/', 'must not hold a user name or password'],
    ['http://:secret@example.com/', 'must not hold a user name or password'],
    ['http://example.com@127.0.0.1/', 'must not hold a user name or password'],
    ['http://localhost/', 'must not name this machine'],
    ['http://LOCALHOST.:3000/', 'must not name this machine'],
    ['http://api.localhost/', 'must not name this machine'],
    ['http://metadata.google.internal/computeMetadata/v1/', 'must not name a metadata server'],
  ])('%s %s', (url, problem) => expect(urlProblem(policy('false'), url)).toBe(problem));

  test.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://127.0.0.1./',
    'http://１２７.０.０.１/',
    'http://127。0。0。1/',
    'http://%31%32%37.0.0.1/',
    'http://0/',
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[::1]/',
    'http://[::]/',
    'http://[0:0:0:0:0:0:0:1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[::127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[fd00:ec2::254]/',
    'http://[fe80::1]/',
    'https:\\\\127.0.0.1\\',
    'http:127.0.0.1/',
  ])('%s names a forbidden address', (url) => {
    expect(urlProblem(policy('false'), url)).toBe('must not name a private, local or metadata address');
  });

  test('follows the policy', () => {
    expect(urlProblem(policy('true'), 'http://localhost:3000/')).toBeNull();
    expect(urlProblem(policy('localhost'), 'http://localhost:3000/')).toBeNull();
    expect(urlProblem(policy('127.0.0.0/8'), 'http://localhost:3000/')).toBeNull();
    expect(urlProblem(policy('10.0.0.0/8'), 'http://localhost:3000/')).not.toBeNull();
    expect(urlProblem(policy('10.0.0.0/8'), 'http://10.1.1.1/')).toBeNull();
    expect(urlProblem(policy('true'), 'http://169.254.169.254/')).not.toBeNull();
    expect(urlProblem(policy('true'), 'http://metadata.google.internal/')).not.toBeNull();
    expect(urlProblem(policy('169.254.169.254'), 'http://169.254.169.254/')).toBeNull();
    expect(urlProblem(policy('false', ['127.0.0.1:4010']), 'http://127.0.0.1:4010/v1')).toBeNull();
    expect(urlProblem(policy('false', ['127.0.0.1:4010']), 'http://127.0.0.1:6379/')).not.toBeNull();
    expect(urlProblem(policy('false', ['127.0.0.1:80']), 'http://127.0.0.1/')).toBeNull();
  });
});
