// TEST ONLY. Local servers for the tests of this folder: one that answers, and traps that count who connects. Names are
// resolved by a table instead of DNS, so no test leaves the machine.
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, isIP, type LookupFunction, type Server } from 'node:net';
import { TEST_ONLY_CERTIFICATE, TEST_ONLY_KEY } from './test-only-certificate.ts';

export interface TestServer {
  readonly port: number;
  /** TCP connections accepted so far. */
  connections(): number;
  /** Requests that arrived so far. */
  requests(): number;
  close(): Promise<void>;
}

export async function startServer(
  scheme: 'http' | 'https',
  host: string,
  answer: RequestListener,
): Promise<TestServer> {
  const seen = { connections: 0, requests: 0 };
  const listener: RequestListener = (request, reply) => {
    seen.requests += 1;
    answer(request, reply);
  };
  const options = { key: TEST_ONLY_KEY, cert: TEST_ONLY_CERTIFICATE };
  const server = scheme === 'http' ? createHttp(listener) : createHttps(options, listener);
  (server as Server).on('connection', () => {
    seen.connections += 1;
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: 0, host, ipv6Only: false }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => seen.connections,
    requests: () => seen.requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The answers of each name; a function gives another answer each time it is asked. */
export type Names = Readonly<Record<string, readonly string[] | (() => readonly string[])>>;

export function lookupIn(names: Names): LookupFunction {
  return (hostname, _options, callback) => {
    const entry = names[hostname.replace(/\.$/, '')];
    const addresses = typeof entry === 'function' ? entry() : entry;
    if (addresses === undefined) {
      callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' }), []);
    } else {
      callback(
        null,
        addresses.map((address) => ({ address, family: isIP(address) })),
      );
    }
  };
}
