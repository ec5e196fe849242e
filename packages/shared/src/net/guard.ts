// The guarded agent: an undici Agent that connects only where the address policy allows. Checked are literal addresses
// before connecting (Node skips `lookup` for them), every address a name resolves to (one forbidden answer refuses the
// name), and the socket's remote address once connected. The connection is made to the very answer that was checked, so
// a name that changes its answer gains nothing. undici's own `blockList` option is not enough: TLS ignores it
// (libraries.md 0.3). A proxy would resolve names elsewhere and void all of this; none is ever used.
import { lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { getCACertificates } from 'node:tls';
import { Agent, buildConnector } from 'undici';
import { type AddressPolicy, type AllowPrivate, isAllowed, plainHost, urlProblem } from './address.ts';

export interface GuardOptions {
  readonly allowPrivate: AllowPrivate;
  /** The operator's own servers, `host` or `host:port`: reachable whatever their address. Never for callers' URLs. */
  readonly trustedHosts?: readonly string[];
  /** TCP and TLS handshake together, ms. */
  readonly connectTimeoutMs?: number;
  /** Connections kept per origin, so that one slow receiver cannot take all sockets. */
  readonly connectionsPerHost?: number;
  /** A certificate authority (PEM) trusted beside Node's own, for private installations. */
  readonly ca?: string;
  /** Resolves names; replaced in tests. */
  readonly lookup?: LookupFunction;
}

export interface GuardedAgent {
  readonly dispatcher: Agent;
  /** What is wrong with a URL as far as its text tells, or null; see `urlProblem`. */
  checkUrl(url: string | URL): string | null;
  close(): Promise<void>;
}

/** The destination is forbidden. Its message names the host only, not the address: it may be shown to callers. */
export class AddressBlockedError extends Error {
  override readonly name = 'AddressBlockedError';
  constructor(host: string) {
    super(`${host} is not an address this server may connect to`);
  }
}

/** A lookup that fails unless every answer is allowed. */
function guardLookup(policy: AddressPolicy, port: string, resolve: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, answers) => {
      if (error !== null) return callback(error, []);
      const list = Array.isArray(answers) ? answers : [{ address: answers, family: isIP(answers) }];
      const [first] = list;
      if (first === undefined || list.some(({ address }) => !isAllowed(policy, hostname, port, address))) {
        return callback(new AddressBlockedError(hostname), []);
      }
      return options.all === true ? callback(null, list) : callback(null, first.address, first.family);
    });
  };
}

function guardConnector(policy: AddressPolicy, options: GuardOptions): buildConnector.connector {
  const resolve = options.lookup ?? systemLookup;
  const base = {
    timeout: options.connectTimeoutMs ?? 5_000,
    allowH2: false,
    ...(options.ca === undefined ? {} : { ca: [...getCACertificates(), options.ca] }),
  };
  return (target, callback) => {
    const host = plainHost(target.hostname);
    const port = target.port || (target.protocol === 'https:' ? '443' : '80');
    if (isIP(host) !== 0 && !isAllowed(policy, host, port, host)) {
      callback(new AddressBlockedError(host), null);
      return;
    }
    const connect = buildConnector({ ...base, lookup: guardLookup(policy, port, resolve) });
    connect(target, (...[error, socket]: [null, Socket] | [Error, null]) => {
      if (error !== null) {
        callback(error, null);
      } else if (isAllowed(policy, host, port, socket.remoteAddress ?? '')) {
        callback(null, socket);
      } else {
        socket.destroy();
        callback(new AddressBlockedError(host), null);
      }
    });
  };
}

/** Opens the agent; `close` ends its idle connections and waits for those in use. */
export function openGuardedAgent(options: GuardOptions): GuardedAgent {
  const policy: AddressPolicy = { allowPrivate: options.allowPrivate, trustedHosts: options.trustedHosts ?? [] };
  const dispatcher = new Agent({
    connect: guardConnector(policy, options),
    connections: options.connectionsPerHost ?? 8,
    allowH2: false, // one request per connection at a time: counting bytes and cutting a reply off stays simple
  });
  return {
    dispatcher,
    checkUrl: (url) => urlProblem(policy, url),
    close: () => dispatcher.close(),
  };
}
