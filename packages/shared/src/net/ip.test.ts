import { BlockList } from 'node:net';
import { assert, integer, ipV4, ipV6, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { carriedIpv4, isInside, isProtected, isPublic, isWithin, parseIp, parseNetwork } from './ip.ts';

function ip(text: string) {
  const parsed = parseIp(text);
  if (parsed === null) throw new Error(`not an address: ${text}`);
  return parsed;
}

function network(text: string) {
  const parsed = parseNetwork(text);
  if (parsed === null) throw new Error(`not a network: ${text}`);
  return parsed;
}

describe('reading addresses', () => {
  test.each([
    ['1.2.3.4', 4, 0x01020304n],
    ['::', 6, 0n],
    ['::1', 6, 1n],
    ['1::', 6, 1n << 112n],
    ['::ffff:1.2.3.4', 6, 0xffff01020304n],
    ['64:ff9b::10.0.0.1', 6, (0x64n << 112n) | (0xff9bn << 96n) | 0x0a000001n],
    ['1:2:3:4:5:6:7:8', 6, 0x00010002000300040005000600070008n],
    ['1:2:3:4:5:6:1.2.3.4', 6, 0x00010002000300040005000601020304n],
    ['FE80::A', 6, (0xfe80n << 112n) | 0xan],
  ] as const)('%s is read', (text, family, value) => {
    expect(parseIp(text)).toEqual({ family, value });
  });

  test.each(['', 'localhost', '1.2.3', '0x7f.0.0.1', '[::1]', 'fe80::1%eth0', '1.2.3.4/8', ':::', '256.1.1.1'])(
    '%j is not an address',
    (text) => expect(parseIp(text)).toBeNull(),
  );

  test('every IPv6 address, however it is written, has the value of its groups', () => {
    assert(
      property(ipV6(), (text) => {
        const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1);
        expect(ip(text)).toEqual(ip(canonical));
      }),
    );
  });
});

describe('networks', () => {
  test.each(['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/-1', 'host/8', '/8', ''])(
    '%j is not a network',
    (text) => expect(parseNetwork(text)).toBeNull(),
  );

  test('agree with the BlockList of Node on what they hold', () => {
    assert(
      property(ipV4(), ipV4(), integer({ min: 0, max: 32 }), (base, address, prefix) => {
        const list = new BlockList();
        list.addSubnet(base, prefix, 'ipv4');
        expect(isInside(ip(address), network(`${base}/${prefix}`))).toBe(list.check(address, 'ipv4'));
      }),
    );
  });

  test('lie within another only when they are as narrow and inside', () => {
    expect(isWithin(network('169.254.169.254'), network('169.254.0.0/16'))).toBe(true);
    expect(isWithin(network('169.254.0.0/16'), network('169.254.0.0/16'))).toBe(true);
    expect(isWithin(network('169.254.0.0/15'), network('169.254.0.0/16'))).toBe(false);
    expect(isWithin(network('10.0.0.0/24'), network('169.254.0.0/16'))).toBe(false);
    expect(isWithin(network('::/0'), network('0.0.0.0/0'))).toBe(false);
  });
});

describe('what an address is', () => {
  test.each(['1.1.1.1', '8.8.8.8', '172.15.255.255', '172.32.0.1', '192.167.255.255', '2606:4700:4700::1111'])(
    '%s is public',
    (text) => expect(isPublic(ip(text))).toBe(true),
  );

  test.each(
    (
      '0.0.0.0 10.1.2.3 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 ' +
      '192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 ' +
      '255.255.255.255 :: ::1 ::7f00:1 ::ffff:8.8.8.8 ::ffff:10.0.0.1 ::ffff:0:8.8.8.8 64:ff9b::8.8.8.8 64:ff9b:1::1 ' +
      '100::1 100:0:0:1::1 2001::1 2001:db8::1 2001:10::1 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd12:3456::1 fec0::1 ff02::1'
    ).split(' '),
  )('%s is not public', (text) => expect(isPublic(ip(text))).toBe(false));

  test.each(
    (
      '169.254.169.254 169.254.0.1 100.100.100.200 168.63.129.16 192.0.0.192 fe80::1 febf::1 fd00:ec2::254 fd20:ce::254 ' +
      '::ffff:169.254.169.254 ::169.254.169.254 ::ffff:0:169.254.169.254 64:ff9b::a9fe:a9fe 64:ff9b:1::a9fe:a9fe ' +
      '2002:a9fe:a9fe:: 2001:0:1:2:3:4:5601:5601 ::ffff:168.63.129.16'
    ).split(' '),
  )('%s is protected', (text) => {
    expect(isProtected(ip(text))).toBe(true);
    expect(isPublic(ip(text))).toBe(false);
  });

  test.each(['169.253.255.255', '168.63.129.17', '10.0.0.1', 'fec0::1', 'fd00:ec3::1', '::ffff:10.0.0.1'])(
    '%s is not protected',
    (text) => expect(isProtected(ip(text))).toBe(false),
  );

  test('an IPv4 address carries none', () => expect(carriedIpv4(ip('1.2.3.4'))).toBeNull());
});
