import { type RedisPair, startRedisPair } from '@darkroom/testing/redis-pair.ts';
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRedis } from './redis.ts';
import { assertReplicated, buildReplicas, type Replicas, runDurably, runUntilDurable } from './replicas.ts';

const ADD = { lua: "return redis.call('INCR', KEYS[1])", sha: '' };

let pair: RedisPair;
let redis: Redis;
let watch: Redis;
let replicas: Replicas;

beforeEach(async () => {
  pair = await startRedisPair();
  redis = await openRedis(pair.master.url, 'patient', () => undefined);
  watch = pair.survivor;
  replicas = buildReplicas(redis, '{t}:replicated', 1);
});
afterEach(async () => {
  redis.disconnect();
  await pair.close();
});

/** By EVALSHA of a script that is not loaded: also that way round a step is one step. */
const add = (on: Parameters<typeof runDurably>[0]) => runDurably(on, ADD, ['{t}:count'], [], 'It may have been.');

describe('with a replica wanted and there', () => {
  it('a step is done when the replica has it', async () => {
    const { kind, answer } = await replicas.run(() => redis.incr('{t}:count'));
    expect([kind, answer, await watch.get('{t}:count')]).toEqual(['done', 1, '1']);
    expect(await add({ redis, replicas })).toBe(2);
    expect(await watch.get('{t}:count')).toBe('2');
  });

  it('a hundred steps at a time share a few waits', async () => {
    const before = Number(/cmdstat_wait:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
    await replicas.run(() => redis.incr('{t}:count'));
    await Promise.all(Array.from({ length: 100 }, () => replicas.run(() => redis.incr('{t}:count'))));
    const after = Number(/cmdstat_wait:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1]);
    expect(await watch.get('{t}:count')).toBe('101');
    expect(after - before).toBeLessThan(12);
  });

  it('what was recorded before is confirmed though this connection wrote nothing', async () => {
    await assertReplicated({ replicas });
    pair.replica.signal('SIGSTOP');
    await expect(assertReplicated({ replicas })).rejects.toMatchObject({ code: 'unavailable', status: 503 });
    pair.replica.signal('SIGCONT');
  });
});

describe('while the replica is away', () => {
  it('the first step ran but is not confirmed, and none is begun after it; then all goes on', async () => {
    await replicas.run(() => redis.incr('{t}:count'));
    pair.replica.signal('SIGSTOP');
    await expect(add({ redis, replicas })).rejects.toMatchObject({
      code: 'unavailable',
      status: 503,
      message: expect.stringContaining('It may have been.'),
      headers: { 'retry-after': '2' },
    });
    expect(await redis.get('{t}:count')).toBe('2');
    await expect(add({ redis, replicas })).rejects.toThrow('Nothing was done.');
    expect((await replicas.run(() => redis.incr('{t}:count'))).kind).toBe('short');
    expect(await redis.get('{t}:count')).toBe('2');
    pair.replica.signal('SIGCONT');
    await expect.poll(async () => (await replicas.run(() => redis.incr('{t}:count'))).kind).toBe('done');
  });

  it('a process that has just started begins nothing', async () => {
    await pair.replica.stop();
    expect((await replicas.run(() => redis.incr('{t}:count'))).kind).toBe('short');
    expect(await redis.get('{t}:count')).toBeNull();
  });

  it('a paid answer is recorded on the master at once and waits for the replica', async () => {
    await replicas.run(() => redis.incr('{t}:count'));
    pair.replica.signal('SIGSTOP');
    let isDone = false;
    const record = async (): Promise<void> => {
      await runUntilDurable({ redis, replicas }, ADD, ['{t}:count'], []);
      isDone = true;
    };
    const recording = record();
    const other = await openRedis(pair.master.url, 'patient', () => undefined);
    await expect.poll(() => other.get('{t}:count')).toBe('2');
    expect(isDone).toBe(false);
    pair.replica.signal('SIGCONT');
    await recording;
    expect(await watch.get('{t}:count')).toBe('2');
    other.disconnect();
  });
});

describe('when the connection breaks between a step and its confirmation', () => {
  it('the step runs again: another master may not have it', async () => {
    await replicas.run(() => redis.incr('{t}:count'));
    let runs = 0;
    const { kind, answer } = await replicas.run(async () => {
      runs += 1;
      const count = await redis.incr('{t}:count');
      if (runs === 1) await watchMaster((one) => one.client('KILL', 'ID', String(idOfClient)));
      return count;
    });
    expect([kind, answer, runs]).toEqual(['done', 3, 2]);
  });

  let idOfClient = 0;
  beforeEach(async () => {
    idOfClient = await redis.client('ID');
  });

  async function watchMaster(work: (one: Redis) => Promise<unknown>): Promise<void> {
    const one = await openRedis(pair.master.url, 'patient', () => undefined);
    await work(one);
    one.disconnect();
  }
});

describe('with none wanted', () => {
  it('nobody is asked', async () => {
    await pair.replica.stop();
    expect(await add({ redis })).toBe(1);
    await assertReplicated({});
    expect(await runUntilDurable({ redis }, ADD, ['{t}:count'], [])).toBe(2);
    expect(await redis.info('commandstats')).not.toContain('cmdstat_wait');
  });
});

describe('a server that has become a replica', () => {
  it('is left for its master by a patient client, and what it refused is sent again', async () => {
    const refusals: string[] = [];
    const client = await openRedis(pair.master.url, 'patient', (error) => refusals.push(error.message));
    await watch.replicaof('NO', 'ONE');
    await redis.replicaof('127.0.0.1', pair.replica.port);
    const adding = client.incr('{t}:count');
    await expect.poll(() => refusals.length).toBeGreaterThan(0);
    expect(refusals[0]).toContain('READONLY');
    await redis.replicaof('NO', 'ONE');
    expect(await adding).toBe(1);
    client.disconnect();
  });
});
