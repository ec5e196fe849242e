// A Redis master with one replica in memory, for tests that take the replica away.
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startRedisServer, type TestRedisServer } from './redis-server.ts';

export interface RedisPair {
  readonly master: TestRedisServer;
  readonly replica: TestRedisServer;
  /** A client of the replica: what a failover would leave. */
  readonly survivor: Redis;
  close(): Promise<void>;
}

const EVERY_MS = 20;

/** Resolves when the replica has everything of the master. */
export async function startRedisPair(): Promise<RedisPair> {
  const [master, replica] = await Promise.all([startRedisServer(), startRedisServer()]);
  const primary = new Redis(master.url);
  await primary.config('SET', 'repl-diskless-sync-delay', 0); // no other replica comes
  const survivor = new Redis(replica.url);
  survivor.on('error', () => undefined); // tests take it away
  await survivor.config('SET', 'repl-diskless-load', 'on-empty-db'); // leaves no file
  await survivor.replicaof('127.0.0.1', master.port);
  while (!(await primary.info('replication')).includes('state=online')) await pause(EVERY_MS);
  // Online is not yet answering: the first acknowledgement may come a second later.
  await primary.set('first', 1);
  while ((await primary.wait(1, 1_000)) < 1) await pause(EVERY_MS);
  await primary.del('first');
  await primary.config('RESETSTAT');
  primary.disconnect();
  return {
    master,
    replica,
    survivor,
    async close() {
      survivor.disconnect();
      await Promise.all([master.stop(), replica.stop()]);
    },
  };
}
