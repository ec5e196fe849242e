import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Keys, keysOf } from '../base/keys.ts';
import { type JobChange, type JobChanges, openJobChanges } from './changes.ts';

let test: TestRedis;
let keys: Keys;
let subscriber: Redis;
let changes: JobChanges;
beforeAll(async () => {
  test = await openTestRedis();
  keys = keysOf(test.prefix);
  subscriber = new Redis(test.url);
  changes = await openJobChanges(subscriber, keys);
});
afterAll(async () => {
  subscriber.disconnect();
  await test.close();
});

const publish = (type: string, job: string, account: string) =>
  test.redis.publish(keys.jobChanges, `1-0 ${type} ${job} completed ${account} - -`);

describe('changes', () => {
  it('reach those who listen to the job and to the account, and nobody else, until they stop', async () => {
    const heard: [string, JobChange | null][] = [];
    const stops = [
      changes.onJob('job_1', (change) => heard.push(['job_1', change])),
      changes.onJob('job_2', (change) => heard.push(['job_2', change])),
      changes.onAccount('acme', (change) => heard.push(['acme', change])),
      changes.onAccount('other', (change) => heard.push(['other', change])),
    ];
    await publish('job.completed', 'job_1', 'acme');
    const change = { type: 'job.completed', jobId: 'job_1', status: 'completed', account: 'acme' };
    await expect
      .poll(() => heard)
      .toEqual([
        ['job_1', change],
        ['acme', change],
      ]);
    for (const stop of stops) stop();
    const last = Promise.withResolvers<void>();
    changes.onAccount('last', () => last.resolve());
    await publish('job.completed', 'job_1', 'acme');
    await publish('job.completed', 'job_3', 'last');
    await last.promise;
    expect(heard).toHaveLength(2);
  });

  it('are said to be lost to everyone who listens when the connection was away, and go on', async () => {
    const heard: (JobChange | null)[] = [];
    const stops = [
      changes.onJob('job_9', (change) => heard.push(change)),
      changes.onAccount('again', (change) => heard.push(change)),
    ];
    subscriber.disconnect(true);
    await expect.poll(() => heard).toEqual([null, null]);
    await publish('job.failed', 'job_9', 'again');
    await expect.poll(() => heard.length).toBe(4);
    for (const stop of stops) stop();
  });
});
