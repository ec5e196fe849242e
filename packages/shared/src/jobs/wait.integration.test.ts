import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newJobId } from '../base/ids.ts';
import { keysOf } from '../base/keys.ts';
import { openJobChanges } from './changes.ts';
import { createJob, type JobSteps, retryJob, withholdCalls } from './steps.ts';
import { TEST_SPEC } from './test-spec.ts';
import { buildJobWaiter, type JobWaiter } from './wait.ts';

let test: TestRedis;
let steps: JobSteps;
let subscriber: Redis;
let waiter: JobWaiter;
const stopping = new AbortController();
beforeAll(async () => {
  test = await openTestRedis();
  const keys = keysOf(test.prefix);
  steps = { redis: test.redis, keys, retentionMs: 3_600_000 };
  subscriber = new Redis(test.url);
  waiter = buildJobWaiter(test.redis, keys, await openJobChanges(subscriber, keys), stopping.signal);
});
afterAll(async () => {
  subscriber.disconnect();
  await test.close();
});

const never = new AbortController().signal;

async function newJob(): Promise<string> {
  return (await createJob(steps, newJobId(), TEST_SPEC, null)).id;
}

/** How often records have been read whole. */
async function countReads(): Promise<number> {
  return Number(/cmdstat_hgetall:calls=(\d+)/.exec(await test.redis.info('commandstats'))?.[1] ?? 0);
}

const end = (id: string) => withholdCalls(steps, id, TEST_SPEC.calls.length, 'cancelled');

describe('waiting', () => {
  it('answers at once when the job has ended or there is none', async () => {
    const id = await newJob();
    await end(id);
    expect((await waiter.wait(id, 60_000, never))?.status).toBe('cancelled');
    expect(await waiter.wait('nothing', 60_000, never)).toBeNull();
  });

  it('answers when the end is said, however many wait', async () => {
    const [id, other] = [await newJob(), await newJob()];
    const answers = Array.from({ length: 50 }, () => waiter.wait(id, 60_000, never));
    await end(other);
    await end(id);
    expect((await Promise.all(answers)).map((record) => record?.status)).toEqual(answers.map(() => 'cancelled'));
  });

  it('waits for the end of a job that runs again, whatever is told late of its earlier end', async () => {
    const id = await newJob();
    await end(id);
    await retryJob(steps, { id, run: 1, spec: TEST_SPEC });
    const before = await countReads();
    const answer = waiter.wait(id, 60_000, never);
    await test.redis.publish(steps.keys.jobChanges, `0-1 job.cancelled ${id} cancelled acme - -`);
    while ((await countReads()) === before);
    await end(id);
    expect((await answer)?.run).toBe(2);
  });

  it('answers after the connection was away, although the end was not heard', async () => {
    const id = await newJob();
    const answer = waiter.wait(id, 60_000, never);
    subscriber.disconnect(true);
    await end(id);
    expect((await answer)?.status).toBe('cancelled');
  });

  it('answers the job as it is when the time is over or the caller leaves', async () => {
    const id = await newJob();
    expect((await waiter.wait(id, 1, never))?.status).toBe('queued');
    const leaving = new AbortController();
    const answer = waiter.wait(id, 60_000, leaving.signal);
    leaving.abort();
    expect((await answer)?.status).toBe('queued');
  });

  it('answers all who wait when the process stops', async () => {
    const id = await newJob();
    const answers = Array.from({ length: 50 }, () => waiter.wait(id, 60_000, never));
    stopping.abort();
    expect((await Promise.all(answers)).map((record) => record?.status)).toEqual(answers.map(() => 'queued'));
  });
});
