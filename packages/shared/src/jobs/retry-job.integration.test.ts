import { randomUUID } from 'node:crypto';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newJobId } from '../base/ids.ts';
import { keysOf } from '../base/keys.ts';
import { finishAttempt } from './attempt-steps.ts';
import { beginAttempt } from './paying-gate.ts';
import type { JobRecord } from './record.ts';
import type { JobSpec } from './spec.ts';
import { type JobSteps, retryJob, withholdCalls } from './steps.ts';
import { failure, jobsOf, SPEC, success } from './test-jobs.ts';

let server: TestRedis;
let steps: JobSteps;

beforeAll(async () => {
  server = await openTestRedis();
  steps = { redis: server.redis, keys: keysOf(server.prefix), retentionMs: 3_600_000 };
});
afterAll(() => server.close());

const { newJob, job, gateOf, begin } = jobsOf(() => steps);

describe('a retry', () => {
  test('opens only the calls without images, in a new run', async () => {
    const id = await newJob();
    await finishAttempt(steps, success(id, 0, await begin(id, 0)));
    expect(await retryJob(steps, { id, run: 1, spec: SPEC })).toEqual({ kind: 'open' });
    await finishAttempt(steps, failure(id, 1, await begin(id, 1)));
    expect((await job(id)).status).toBe('incomplete');
    expect(await retryJob(steps, { id, run: 1, spec: SPEC })).toMatchObject({
      kind: 'retried',
      run: 2,
      items: [{ jobId: id, call: 1, run: 2 }],
    });
    const again = await job(id);
    expect(again).toMatchObject({ status: 'queued', run: 2, finishedAt: null });
    expect(again.images.size).toBe(1);
    expect(await steps.redis.pttl(steps.keys.job(id))).toBe(-1);
    expect(await beginAttempt(steps, await gateOf(id, 1))).toEqual({ kind: 'done' }); // an item of the first run
    const seq = await begin(id, 1, { row: { run: 2, upstreamKey: 'default', images: [1], upperBoundMicroUsd: 1 } });
    expect(seq).toBe(2);
    expect((await finishAttempt(steps, success(id, 1, seq))).jobEnded).toBe('completed');
    expect(await retryJob(steps, { id, run: 2, spec: SPEC })).toEqual({ kind: 'whole' });
  });

  const failed = async (spec: Partial<JobSpec> = {}): Promise<JobRecord> => {
    const id = await newJob({ calls: [[0]], ...spec });
    await finishAttempt(steps, failure(id, 0, await begin(id, 0)));
    return job(id);
  };

  test('opens the run after the one it was asked for, and no further one', async () => {
    const record = await failed();
    const asking = { fingerprint: randomUUID(), asker: 'p.1', isRetry: false };
    expect(await retryJob(steps, record, 'caller', null, asking)).toMatchObject({ kind: 'retried', run: 2 });
    // The step is sent again: its connection broke before it was answered.
    expect(await retryJob(steps, record, 'caller', null, asking)).toEqual({ kind: 'retried', run: 2, items: [] });
    await withholdCalls(steps, record.id, 1, 'cancelled');
    const another = { ...asking, asker: 'p.2' };
    expect(await retryJob(steps, record, 'caller', null, another)).toEqual({ kind: 'open' });
    expect(await job(record.id)).toMatchObject({ run: 2, status: 'cancelled' });
  });

  test('that repeats another, by its key or as its client says, opens no run', async () => {
    const record = await failed();
    const [fingerprint, keyHash] = [randomUUID(), randomUUID()];
    const asking = { fingerprint, asker: 'p.1', isRetry: false };
    expect(await retryJob(steps, record, 'caller', { keyHash, fingerprint }, asking)).toMatchObject({
      kind: 'retried',
    });
    await withholdCalls(steps, record.id, 1, 'cancelled');
    const again = await job(record.id);
    expect(await retryJob(steps, again, 'caller', { keyHash, fingerprint })).toEqual({ kind: 'exists' });
    expect(await retryJob(steps, again, 'caller', { keyHash, fingerprint: 'x' })).toEqual({ kind: 'conflict' });
    const repeated = { ...asking, asker: 'p.2', isRetry: true };
    expect(await retryJob(steps, again, 'caller', null, repeated)).toEqual({ kind: 'joined' });
    expect((await job(record.id)).run).toBe(2);
  });

  test('by its batch opens a job only while that runs, and only the run it has seen', async () => {
    const batchId = 'batch_01kb4xwqf7c0v3m8r5y2d9tz6r';
    const batch = steps.keys.batch(batchId);
    await steps.redis.hset(batch, 'status', 'in_progress');
    const record = await failed({ batchId });
    expect(await retryJob(steps, record)).toEqual({ kind: 'open' });
    await steps.redis.hset(batch, { status: 'cancelled', ended: 1 });
    expect(await retryJob(steps, record, 'batch')).toEqual({ kind: 'open' });
    expect(await retryJob(steps, record)).toMatchObject({ kind: 'retried', run: 2 });
    await withholdCalls(steps, record.id, 1, 'cancelled');
    // Run again for itself, it is no longer kept with its batch.
    expect(await steps.redis.pttl(steps.keys.job(record.id))).toBeGreaterThan(3_500_000);
    await steps.redis.hset(batch, 'status', 'in_progress');
    await steps.redis.hdel(batch, 'ended');
    expect(await retryJob(steps, record, 'batch')).toEqual({ kind: 'open' });
    expect(await retryJob(steps, await job(record.id), 'batch')).toMatchObject({ kind: 'retried', run: 3 });
  });

  test('of a job whose calls have all succeeded, though an image is missing, does not open it for nobody to end', async () => {
    const id = await newJob({ calls: [[0, 1]] });
    await finishAttempt(steps, success(id, 0, await begin(id, 0))); // as if the call had but one image
    expect((await job(id)).status).toBe('incomplete');
    expect(await retryJob(steps, await job(id))).toEqual({ kind: 'whole' });
    expect((await job(id)).status).toBe('incomplete');
  });

  test('of a job that is not there says so', async () => {
    expect(await retryJob(steps, { id: newJobId(), run: 1, spec: SPEC })).toEqual({ kind: 'gone' });
  });
});
