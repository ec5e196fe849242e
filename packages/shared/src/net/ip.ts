// Reading IP addresses and networks as numbers, and what they are: public, private, or protected (the addresses behind
// which machines keep credentials). Pure; who may reach what is decided in address.ts.
import { isIP } from 'node:net';

export interface Ip {
  readonly family: 4 | 6;
  readonly value: bigint;
}

export interface Network {
  readonly family: 4 | 6;
  readonly value: bigint;
  readonly prefix: number;
}

const BITS = { 4: 32, 6: 128 } as const;

function quadValue(text: string): bigint {
  return text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

/** An address in its standard notation, without brackets or zone; null for anything else. */
export function parseIp(text: string): Ip | null {
  const family = isIP(text);
  if (family === 4) return { family, value: quadValue(text) };
  if (family !== 6 || text.includes('%')) return null;
  const tail = /\d+\.\d+\.\d+\.\d+$/.exec(text)?.[0];
  const quad = tail === undefined ? 0n : quadValue(tail);
  const hex =
    tail === undefined
      ? text
      : `${text.slice(0, -tail.length)}${(quad >> 16n).toString(16)}:${(quad & 0xffffn).toString(16)}`;
  const [left = '', right] = hex.split('::');
  const head = groupsOf(left);
  const end = right === undefined ? [] : groupsOf(right);
  const zeros = Array.from({ length: 8 - head.length - end.length }, () => '0');
  const value = [...head, ...zeros, ...end].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
  return { family, value };
}

/** `10.0.0.0/8`, `fd00::/8`, or one address; null for anything else. Bits behind the prefix are ignored. */
export function parseNetwork(text: string): Network | null {
  const [address = '', length, ...more] = text.split('/');
  const ip = parseIp(address.replace(/^\[(.*)\]$/, '$1'));
  if (ip === null || more.length > 0) return null;
  const bits = BITS[ip.family];
  if (length === undefined) return { ...ip, prefix: bits };
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) return null;
  return { ...ip, prefix: Number(length) };
}

export function isInside(ip: Ip, network: Network): boolean {
  if (ip.family !== network.family) return false;
  const shift = BigInt(BITS[ip.family] - network.prefix);
  return ip.value >> shift === network.value >> shift;
}

export function isWithin(inner: Network, outer: Network): boolean {
  return inner.prefix >= outer.prefix && isInside(inner, outer);
}

/** Reads constants of this folder; throws RangeError for a typo. */
function networks(texts: string): readonly Network[] {
  return texts.split(/\s+/).map((text) => {
    const network = parseNetwork(text);
    if (network === null) throw new RangeError(`not a network: ${text}`);
    return network;
  });
}

/**
 * Link-local and metadata addresses: AWS, Azure, GCP and others (169.254.0.0/16, fe80::/10), AWS over IPv6
 * (fd00:ec2::/32), GCP over IPv6 (fd20:ce::254), Alibaba (100.100.100.200), Azure's host agent (168.63.129.16), Oracle's
 * older one (192.0.0.192).
 */
export const PROTECTED = networks(
  '169.254.0.0/16 100.100.100.200 168.63.129.16 192.0.0.192 fe80::/10 fd00:ec2::/32 fd20:ce::254',
);

/** IPv4 that is not for the public internet (IANA special-purpose registry, RFC 6890 and its successors). */
const NOT_PUBLIC_4 = networks(
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 ' +
    '192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 ' +
    '203.0.113.0/24 224.0.0.0/4 240.0.0.0/4',
);

/** The only IPv6 space in public use, and the special blocks inside it (Teredo and others, documentation, 6to4). */
const GLOBAL_6 = networks('2000::/3');
const NOT_PUBLIC_6 = networks('2001::/23 2001:db8::/32 2002::/16 3fff::/20 2620:4f:8000::/48');

/** IPv6 forms that carry an IPv4 address, and how far that address stands from the right end (bits). */
const CARRIERS = networks('::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48')
  .map((network) => ({ network, shift: 0n }))
  .concat(networks('2002::/16').map((network) => ({ network, shift: 80n })));
const TEREDO = networks('2001::/32');

const someHolds = (list: readonly Network[], ip: Ip): boolean => list.some((network) => isInside(ip, network));

/** The IPv4 address a mapped, compatible, translated, NAT64, 6to4 or Teredo address stands for, else null. */
export function carriedIpv4(ip: Ip): Ip | null {
  if (ip.family !== 6) return null;
  if (someHolds(TEREDO, ip)) return { family: 4, value: (ip.value ^ 0xffff_ffffn) & 0xffff_ffffn };
  const carrier = CARRIERS.find(({ network }) => isInside(ip, network));
  return carrier === undefined ? null : { family: 4, value: (ip.value >> carrier.shift) & 0xffff_ffffn };
}

/** Link-local or metadata, in any disguise. */
export function isProtected(ip: Ip): boolean {
  const carried = carriedIpv4(ip);
  return someHolds(PROTECTED, ip) || (carried !== null && someHolds(PROTECTED, carried));
}

/** For the public internet. Every IPv6 form that only carries an IPv4 address is not, whatever it carries. */
export function isPublic(ip: Ip): boolean {
  if (isProtected(ip)) return false;
  if (ip.family === 4) return !someHolds(NOT_PUBLIC_4, ip);
  return someHolds(GLOBAL_6, ip) && !someHolds(NOT_PUBLIC_6, ip);
}
