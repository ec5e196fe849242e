// Who may be reached: reads ALLOW_PRIVATE_URLS and decides per host and address. Also the check of a URL at submit, when
// nothing has been resolved yet. The same decision at connect time is guard.ts.
import { isInside, isProtected, isPublic, isWithin, type Network, PROTECTED, parseIp, parseNetwork } from './ip.ts';

/** What operators allow beyond public addresses; made by `parseAllowPrivate`. */
export interface AllowPrivate {
  /** Every address but the protected ones. */
  readonly everything: boolean;
  readonly networks: readonly Network[];
  /** Lower case, without a trailing dot. */
  readonly hosts: ReadonlySet<string>;
}

export interface AddressPolicy {
  readonly allowPrivate: AllowPrivate;
  /** The operator's own servers, `host` or `host:port`, reachable whatever their address. */
  readonly trustedHosts: readonly string[];
}

/** Names that clouds resolve to their metadata server. */
const METADATA_HOSTS = new Set(['metadata.google.internal', 'metadata.goog', 'instance-data.ec2.internal']);
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/;
/** `10.0.0` or `300.1.1.1`: meant as an address, and as a host name it would silently never match. */
const NEARLY_ADDRESS = /^[\d.]+$/;

/**
 * Reads ALLOW_PRIVATE_URLS: `false`, `true`, or a comma or space separated list of CIDRs, addresses and hosts. Link-local
 * and metadata addresses count as listed only by themselves or by a network that lies within such a range: `0.0.0.0/0`
 * and `true` do not list them. `true` may stand in a list beside them. Throws RangeError naming the bad entry.
 */
export function parseAllowPrivate(text: string): AllowPrivate {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
  const networks: Network[] = [];
  const hosts = new Set<string>();
  let everything = false;
  for (const entry of entries) {
    const network = parseNetwork(entry);
    const host = plainHost(entry);
    if (network !== null) networks.push(network);
    else if (entry === 'true') everything = true;
    else if (entry === 'false' && entries.length === 1) break;
    else if (entry !== 'false' && HOST_NAME.test(host) && !NEARLY_ADDRESS.test(host)) hosts.add(host);
    else throw new RangeError(`${JSON.stringify(entry)} is not true, false, a CIDR (10.0.0.0/8), an address or a host`);
  }
  return { everything, networks, hosts };
}

/** A host as it is compared: lower case, no brackets, no trailing dot. */
export function plainHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

function isTrusted(policy: AddressPolicy, host: string, port: string): boolean {
  return policy.trustedHosts.some((entry) => {
    const [, name = entry, onlyPort] = /^(\[.*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
    return plainHost(name) === host && (onlyPort === undefined || onlyPort === port);
  });
}

/** Whether `address`, to which `host` resolved (or which it is), may be reached. An unreadable address may not. */
export function isAllowed(policy: AddressPolicy, host: string, port: string, address: string): boolean {
  const name = plainHost(host);
  if (isTrusted(policy, name, port)) return true;
  const ip = parseIp(address);
  if (ip === null) return false;
  const { everything, networks, hosts } = policy.allowPrivate;
  const listed = networks.filter((network) => isInside(ip, network));
  if (isProtected(ip)) {
    return (
      listed.some((network) => PROTECTED.some((range) => isWithin(network, range))) ||
      (METADATA_HOSTS.has(name) && hosts.has(name))
    );
  }
  if (METADATA_HOSTS.has(name) && !hosts.has(name)) return false;
  return isPublic(ip) || everything || listed.length > 0 || hosts.has(name);
}

/**
 * What is wrong with a caller's URL as far as its text tells, as the end of a sentence that starts with the parameter's
 * name; null when nothing is. The URL parser has already turned decimal, hex, octal and full-width notations into plain
 * addresses. Names are checked again, by their addresses, when they are connected to.
 */
export function urlProblem(policy: AddressPolicy, text: string | URL): string | null {
  const url = typeof text === 'string' ? URL.parse(text) : text;
  if (url === null) return 'is not a URL';
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must be an http or https URL';
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or password';
  const host = plainHost(url.hostname);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const may = (address: string): boolean => isAllowed(policy, host, port, address);
  if (parseIp(host) !== null) return may(host) ? null : 'must not name a private, local or metadata address';
  if (host === '') return 'must name a host';
  if (host === 'localhost' || host.endsWith('.localhost')) {
    return may('127.0.0.1') || may('::1') ? null : 'must not name this machine';
  }
  if (METADATA_HOSTS.has(host)) return may('169.254.169.254') ? null : 'must not name a metadata server';
  return null;
}
