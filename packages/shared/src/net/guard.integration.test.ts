import type { LookupFunction } from 'node:net';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllowPrivate } from './address.ts';
import { type GuardOptions, openGuardedAgent } from './guard.ts';
import { guardedFetch } from './guarded-fetch.ts';
import { TEST_ONLY_CERTIFICATE } from './test-only-certificate.ts';
import { lookupIn, startServer, type TestServer } from './test-servers.ts';

// 127.0.0.1 plays the public internet, every other address of this machine is internal: traps that must stay untouched
// listen on all of them (`::` takes IPv4 too).
const ALLOWED = '127.0.0.1';
const NAMES = {
  'public.test': [ALLOWED],
  'internal.test': ['127.0.0.2'],
  'internal6.test': ['::1'],
  'mapped.test': ['::ffff:127.0.0.2'],
  'mixed.test': [ALLOWED, '127.0.0.2'],
  'mixed6.test': [ALLOWED, '::1'],
  'zero.test': ['0.0.0.0'],
  'metadata.test': ['169.254.169.254'],
  'private.test': ['10.0.0.1'],
  'nat64.test': ['64:ff9b::7f00:2'],
  'empty.test': [],
  'metadata.google.internal': ['127.0.0.2'],
  localhost: ['127.0.0.2'],
  'api.localhost': ['127.0.0.2'],
};

const HOSTILE_HOSTS = (
  '127.0.0.2 127.2 127.0.2 2130706434 0x7f000002 0x7f.2 0x7f.0.0.0x2 0177.0.0.2 017700000002 127.0.0.2. １２７.０.０.２ ' +
  '127。0。0。2 %31%32%37.0.0.2 0.0.0.0 0 [::] [::1] [0:0:0:0:0:0:0:1] [0000::0001] [::ffff:127.0.0.2] [::ffff:7f00:2] ' +
  '[0:0:0:0:0:ffff:127.0.0.2] [::127.0.0.2] [::ffff:0:127.0.0.2] [64:ff9b::127.0.0.2] [2002:7f00:2::] [fe80::1] [fc00::1] ' +
  '[fd00:ec2::254] [ff02::1] 10.0.0.1 172.16.0.1 192.168.0.1 100.64.0.1 100.100.100.200 168.63.129.16 169.254.169.254 ' +
  '0xa9fea9fe 2852039166 198.18.0.1 224.0.0.1 255.255.255.255 internal.test internal.test. internal6.test mapped.test ' +
  'mixed.test mixed6.test zero.test metadata.test private.test nat64.test metadata.google.internal localhost LOCALHOST. ' +
  'api.localhost user:pass@internal.test 127.0.0.1@internal.test public.test@127.0.0.2'
).split(' ');

let servers: Record<'http' | 'https', { open: TestServer; trap: TestServer }>;

async function openPair(scheme: 'http' | 'https') {
  const [open, trap] = await Promise.all([
    startServer(scheme, ALLOWED, (_request, reply) => reply.end('public')),
    startServer(scheme, '::', (_request, reply) => reply.end('secret')),
  ]);
  return { open, trap };
}

beforeAll(async () => {
  const [http, https] = await Promise.all([openPair('http'), openPair('https')]);
  servers = { http, https };
});

afterAll(async () => {
  await Promise.all(Object.values(servers).flatMap(({ open, trap }) => [open.close(), trap.close()]));
});

async function withAgent<T>(
  options: Partial<GuardOptions>,
  use: (agent: ReturnType<typeof openGuardedAgent>) => Promise<T>,
) {
  const agent = openGuardedAgent({
    allowPrivate: parseAllowPrivate(ALLOWED),
    lookup: lookupIn(NAMES),
    ca: TEST_ONLY_CERTIFICATE,
    ...options,
  });
  try {
    return await use(agent);
  } finally {
    await agent.close();
  }
}

const LIMITS = { maxBytes: 1_000, timeoutMs: 5_000 };

describe.each(['http', 'https'] as const)('over %s', (scheme) => {
  test('the traps are live: an unguarded client reaches them', async () => {
    const before = servers[scheme].trap.connections();
    const unguarded = request(`${scheme}://127.0.0.2:${servers[scheme].trap.port}/`);
    await unguarded.then(
      (reply) => reply.body.dump(),
      () => undefined, // over https the certificate is not trusted, but the connection was made
    );
    expect(servers[scheme].trap.connections()).toBe(before + 1);
  });

  test('the table is long enough to mean something', () => expect(HOSTILE_HOSTS.length).toBeGreaterThanOrEqual(40));

  test.each(HOSTILE_HOSTS)('%s is refused without a connection', async (host) => {
    const { trap } = servers[scheme];
    const before = trap.connections();
    await withAgent({}, async (agent) => {
      const url = `${scheme}://${host}:${trap.port}/`;
      await expect(guardedFetch(agent, url, LIMITS)).rejects.toMatchObject({ name: 'FetchFailure', kind: 'blocked' });
      // Also by the agent alone, for those who use it without guardedFetch.
      await expect(request(url.replace(/\/\/.*@/, '//'), { dispatcher: agent.dispatcher })).rejects.toThrow();
    });
    expect(trap.connections()).toBe(before);
  });

  test('an allowed name, and the allowed address itself, are reached', async () => {
    await withAgent({}, async (agent) => {
      for (const host of ['public.test', '127.0.0.1', '2130706433']) {
        const reply = await guardedFetch(agent, `${scheme}://${host}:${servers[scheme].open.port}/`, LIMITS);
        expect({ status: reply.status, body: reply.body.toString() }).toEqual({ status: 200, body: 'public' });
      }
    });
  });

  test('a name that changes its answer is asked once per connection and never reaches the new address', async () => {
    const { open, trap } = servers[scheme];
    const before = trap.connections();
    let asked = 0;
    const rebinding = (): readonly string[] => {
      asked += 1;
      return asked === 1 ? [ALLOWED] : ['127.0.0.2'];
    };
    await withAgent({ lookup: lookupIn({ 'rebind.test': rebinding }) }, async (agent) => {
      const reply = await guardedFetch(agent, `${scheme}://rebind.test:${open.port}/`, LIMITS);
      expect(reply.body.toString()).toBe('public');
      expect(asked).toBe(1);
      const second = guardedFetch(agent, `${scheme}://rebind.test:${trap.port}/`, LIMITS);
      await expect(second).rejects.toMatchObject({ kind: 'blocked' });
    });
    expect(trap.connections()).toBe(before);
  });

  test('a socket that ended elsewhere than was checked is dropped before a request is written', async () => {
    const { trap } = servers[scheme];
    const before = trap.requests();
    // An answer that reads as allowed when checked and as internal when used.
    const shifting: LookupFunction = (_hostname, _options, callback) => {
      let reads = 0;
      const answer = {
        family: 4,
        get address() {
          reads += 1;
          return reads === 1 ? ALLOWED : '127.0.0.2';
        },
      };
      callback(null, [answer]);
    };
    await withAgent({ lookup: shifting }, async (agent) => {
      const reply = guardedFetch(agent, `${scheme}://public.test:${trap.port}/`, LIMITS);
      await expect(reply).rejects.toMatchObject({ kind: 'blocked' });
    });
    expect(trap.requests()).toBe(before);
  });

  test('a redirect to a forbidden address is refused at that hop', async () => {
    const { trap } = servers[scheme];
    const before = trap.connections();
    const targets = ['127.0.0.2', '[::1]', 'internal.test', '0x7f000002', 'user@public.test'];
    for (const target of targets) {
      const hop = await startServer(scheme, ALLOWED, (_request, reply) => {
        reply.writeHead(302, { location: `${scheme}://${target}:${trap.port}/` }).end();
      });
      await withAgent({}, async (agent) => {
        const reply = guardedFetch(agent, `${scheme}://public.test:${hop.port}/`, { ...LIMITS, maxRedirects: 3 });
        await expect(reply).rejects.toMatchObject({ kind: 'blocked' });
      });
      await hop.close();
    }
    expect(trap.connections()).toBe(before);
  });

  test('the policy opens what the operator lists', async () => {
    const { trap } = servers[scheme];
    const url = `${scheme}://internal.test:${trap.port}/`;
    for (const options of [
      { allowPrivate: parseAllowPrivate('127.0.0.0/8') },
      { allowPrivate: parseAllowPrivate('internal.test') },
      { allowPrivate: parseAllowPrivate('true') },
      { trustedHosts: ['internal.test'] },
      { trustedHosts: [`internal.test:${trap.port}`] },
    ]) {
      await withAgent(options, async (agent) => {
        expect((await guardedFetch(agent, url, LIMITS)).body.toString()).toBe('secret');
      });
    }
  });

  test('a host trusted on one port is not trusted on another', async () => {
    await withAgent({ trustedHosts: ['internal.test:1'] }, async (agent) => {
      const url = `${scheme}://internal.test:${servers[scheme].trap.port}/`;
      await expect(guardedFetch(agent, url, LIMITS)).rejects.toMatchObject({ kind: 'blocked' });
    });
  });
});

test('an https server whose certificate is not trusted is a network failure', async () => {
  const agent = openGuardedAgent({ allowPrivate: parseAllowPrivate(ALLOWED), lookup: lookupIn(NAMES) });
  const reply = guardedFetch(agent, `https://public.test:${servers.https.open.port}/`, LIMITS);
  await expect(reply).rejects.toMatchObject({ kind: 'network' });
  await agent.close();
});
