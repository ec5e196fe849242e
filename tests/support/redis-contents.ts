// Everything Redis holds, and everything that was ever written to it: for tests of what must not be there.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';

/** Every value with its key, hashes and streams field by field. */
export async function redisValues(redis: Redis): Promise<{ readonly key: string; readonly value: string }[]> {
  const keys = await redis.keys('*');
  const found = await Promise.all(keys.map(async (key) => ({ key, values: await valuesOf(redis, key) })));
  return found.flatMap(({ key, values }) => values.map((value) => ({ key, value })));
}

/** The append-only file of a stack's Redis: each command that has changed anything, with its arguments. */
export function redisHistory(directory: string): Buffer {
  const folder = join(directory, 'redis', 'appendonlydir');
  return Buffer.concat(
    readdirSync(folder)
      .filter((name) => name.endsWith('.aof'))
      .map((name) => readFileSync(join(folder, name))),
  );
}

async function valuesOf(redis: Redis, key: string): Promise<string[]> {
  switch (await redis.type(key)) {
    case 'string':
      return [(await redis.get(key)) ?? ''];
    case 'hash':
      return Object.entries(await redis.hgetall(key)).flat();
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, '0', '-1');
    case 'stream':
      return (await redis.xrange(key, '-', '+')).flatMap(([, fields]) => fields);
    default:
      return []; // gone meanwhile
  }
}
