import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keepLease, type Lease, type LeaseTerms, takeLease } from './lease.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await openTestRedis();
});
afterAll(() => server.close());

const log = pino({ level: 'silent' });

function terms(changes: Partial<LeaseTerms> = {}): LeaseTerms {
  return { key: `{${server.prefix}}:lease:${randomUUID()}`, owner: 'one', leaseMs: 1_000, ...changes };
}

async function take(asked: LeaseTerms): Promise<Lease> {
  const lease = await takeLease({ redis: server.redis, log }, asked);
  if (lease === null) throw new Error('another has the lease');
  return lease;
}

/** Resolves when the lease has been prolonged so often. */
async function renewals(key: string, times: number): Promise<void> {
  let before = await server.redis.pttl(key);
  let seen = 0;
  const look = async (): Promise<number> => {
    const now = await server.redis.pttl(key);
    if (now > before) seen += 1;
    before = now;
    return seen;
  };
  await expect.poll(look, { interval: 20, timeout: 20_000 }).toBeGreaterThanOrEqual(times);
}

test('one has it, renewed beyond its life, until it is released', async () => {
  const asked = terms();
  const lease = await take(asked);
  await renewals(asked.key, 4);
  expect(await takeLease({ redis: server.redis, log }, { ...asked, owner: 'two' })).toBeNull();
  expect(lease.lost.aborted).toBe(false);
  await lease.release();
  const next = await take({ ...asked, owner: 'two' });
  await next.release();
});

test('who finds another in its place has lost it, and leaves the other’s alone', async () => {
  const asked = terms();
  const lease = await take(asked);
  await server.redis.set(asked.key, 'two');
  await once(lease.lost, 'abort');
  await lease.release();
  expect(await server.redis.get(asked.key)).toBe('two');
});

test('one that a step takes later in our name is renewed from then on', async () => {
  const asked = terms();
  const lease = keepLease({ redis: server.redis, log }, asked);
  await once(lease.lost, 'abort'); // nobody has it yet
  await server.redis.set(asked.key, asked.owner, 'PX', asked.leaseMs);
  await renewals(asked.key, 4);
  await lease.release();
  expect(await server.redis.exists(asked.key)).toBe(0);
});

test('releasing without Redis says so and rejects nothing', async () => {
  const lines: string[] = [];
  const redis = server.redis.duplicate({ retryStrategy: null });
  const lease = await takeLease({ redis, log: pino({}, { write: (line) => void lines.push(line) }) }, terms());
  redis.disconnect();
  await once(redis, 'end');
  await lease?.release();
  expect(lines.join()).toContain('lease could not be released; it runs out');
});
