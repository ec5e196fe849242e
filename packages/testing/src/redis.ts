// A real Redis for one test file: the one REDIS_URL names, else a server of its own. Every opening gets a prefix of its
// own, so files may share a server, and leaves no key behind.
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { startRedisServer } from './redis-server.ts';

export interface TestRedis {
  readonly url: string;
  readonly prefix: string;
  readonly redis: Redis;
  /** Removes the keys of the prefix, or ends the server. */
  close(): Promise<void>;
}

export async function openTestRedis(): Promise<TestRedis> {
  const given = process.env['REDIS_URL'];
  if (given !== undefined && !/^rediss?:/.test(given))
    throw new Error('tests need one server in REDIS_URL, no sentinels');
  const server = given === undefined ? await startRedisServer() : null;
  const url = given ?? server?.url ?? '';
  const prefix = `test-${randomBytes(6).toString('hex')}`;
  const redis = new Redis(url);
  return {
    url,
    prefix,
    redis,
    async close() {
      if (server === null) await removeKeys(redis, prefix);
      redis.disconnect();
      await server?.stop();
    },
  };
}

async function removeKeys(redis: Redis, prefix: string): Promise<void> {
  for await (const keys of redis.scanStream({ match: `*{${prefix}}*`, count: 1_000 })) {
    if (keys.length > 0) await redis.unlink(...(keys as string[]));
  }
}
