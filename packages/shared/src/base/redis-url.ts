// Where Redis is, as an operator writes it: one server, or the sentinels that know which server is the master now.
//   redis://[user:password@]host[:port][/db]                            rediss:// for TLS
//   redis-sentinel://[user:password@]host[:port],host[:port]…/master[/db]   rediss-sentinel:// for TLS to all of them
//     [?sentinel_username=…&sentinel_password=…]  when the sentinels ask for a password of their own
// No message of this file holds a user or password.

export interface RedisServerAddress {
  readonly kind: 'server';
  readonly url: string;
  /** As it may be printed. */
  readonly shown: string;
}

export interface SentinelAddress {
  readonly kind: 'sentinel';
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  /** Name of the master group. */
  readonly master: string;
  readonly username: string | null;
  readonly password: string | null;
  readonly sentinelUsername: string | null;
  readonly sentinelPassword: string | null;
  readonly db: number;
  readonly isTls: boolean;
  /** As it may be printed. */
  readonly shown: string;
}

export type RedisAddress = RedisServerAddress | SentinelAddress;

const SENTINEL_PORT = 26_379;
const SENTINEL = /^(rediss?)-sentinel:\/\/(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#]*)?(\?[^#]*)?$/;
const HOST = /^(?:\[([0-9a-f:.%]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i;
const SENTINEL_PARAMETERS = new Set(['sentinel_username', 'sentinel_password']);

/** Throws a RangeError that says what is wrong. */
export function parseRedisUrl(text: string): RedisAddress {
  return /^rediss?-sentinel:/.test(text) ? parseSentinelUrl(text) : parseServerUrl(text);
}

function parseServerUrl(text: string): RedisServerAddress {
  if (!/^rediss?:\/\//.test(text)) throw new RangeError('not a redis URL');
  if (!URL.canParse(text)) throw new RangeError('not a URL: special characters of a password are written as %XX');
  const { protocol, host, pathname } = new URL(text);
  if (host === '') throw new RangeError('names no host');
  const db = parseDb(pathname.slice(1));
  return { kind: 'server', url: text, shown: `${protocol}//${host}${db === 0 ? '' : `/${db}`}` };
}

function parseSentinelUrl(text: string): SentinelAddress {
  const [, scheme, login, hosts = '', path = '', search = ''] = SENTINEL.exec(text) ?? [];
  if (scheme === undefined) throw new RangeError('not a URL: special characters of a password are written as %XX');
  const sentinels = hosts.split(',').map(parseHost);
  const [master = '', db = '', ...more] = path.slice(1).split('/');
  if (master === '') throw new RangeError('names no master group: …/<master name>');
  if (more.length > 0) throw new RangeError('has more than a master name and a database');
  const [username, password] = parseLogin(login);
  const parameters = new URLSearchParams(search);
  for (const name of parameters.keys())
    if (!SENTINEL_PARAMETERS.has(name)) throw new RangeError(`unknown parameter ${JSON.stringify(name.slice(0, 40))}`);
  const number = parseDb(db);
  return {
    kind: 'sentinel',
    sentinels,
    master: decode(master),
    username,
    password,
    sentinelUsername: parameters.get('sentinel_username'),
    sentinelPassword: parameters.get('sentinel_password'),
    db: number,
    isTls: scheme === 'rediss',
    shown: `${scheme}-sentinel://${hosts}/${master}${number === 0 ? '' : `/${number}`}`,
  };
}

function parseHost(text: string, index: number): { host: string; port: number } {
  const [, ipv6, name, port] = HOST.exec(text) ?? [];
  const host = ipv6 ?? name;
  const number = Number(port ?? SENTINEL_PORT);
  if (host === undefined || number < 1 || number > 65_535)
    throw new RangeError(`sentinel ${index + 1} is not host or host:port`);
  return { host, port: number };
}

/** `user:password`, `:password` or `user:`; a name alone is taken for a password nowhere. */
function parseLogin(login: string | undefined): [username: string | null, password: string | null] {
  if (login === undefined) return [null, null];
  const colon = login.indexOf(':');
  if (colon === -1) throw new RangeError('has a user without a password: user:password@ or :password@');
  return [decode(login.slice(0, colon)) || null, decode(login.slice(colon + 1)) || null];
}

function parseDb(text: string): number {
  if (text === '') return 0;
  if (!/^\d{1,5}$/.test(text)) throw new RangeError('its database is not a number');
  return Number(text);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RangeError('has a % that is not followed by two hexadecimal digits');
  }
}
