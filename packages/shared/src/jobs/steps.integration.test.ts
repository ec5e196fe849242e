import { randomUUID } from 'node:crypto';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newJobId } from '../base/ids.ts';
import { keysOf } from '../base/keys.ts';
import { type Finish, failCall, finishAttempt, noteAnswer } from './attempt-steps.ts';
import { beginAttempt, type Gate } from './paying-gate.ts';
import type { JobSpec } from './spec.ts';
import { createJob, type JobSteps, retryJob, withholdCalls } from './steps.ts';
import { readJob } from './store.ts';
import { failure, image, jobsOf, SPEC, success } from './test-jobs.ts';

let server: TestRedis;
let steps: JobSteps;

beforeAll(async () => {
  server = await openTestRedis();
  steps = { redis: server.redis, keys: keysOf(server.prefix), retentionMs: 3_600_000 };
});
afterAll(() => server.close());

const { newJob, job, gateOf, begin } = jobsOf(() => steps);

describe('a job', () => {
  test('is queued, in progress, then completed with its last image', async () => {
    const id = await newJob();
    expect(await job(id)).toMatchObject({ status: 'queued', startedAt: null, run: 1 });
    const first = await begin(id, 0);
    expect(await job(id)).toMatchObject({ status: 'in_progress', startedAt: expect.any(Number) });
    expect((await finishAttempt(steps, success(id, 0, first))).jobEnded).toBeNull();
    const second = await begin(id, 1);
    expect((await finishAttempt(steps, success(id, 1, second))).jobEnded).toBe('completed');
    const ended = await job(id);
    expect(ended).toMatchObject({ status: 'completed', finishedAt: expect.any(Number) });
    expect([...ended.images.keys()]).toEqual([0, 1]);
    expect(await steps.redis.zscore(steps.keys.openJobs, id)).toBeNull();
    expect(await steps.redis.pttl(steps.keys.job(id))).toBeGreaterThan(3_500_000);
  });

  test.each<[string, ('image' | 'error')[], string]>([
    ['some images are incomplete', ['image', 'error'], 'incomplete'],
    ['no image is failed', ['error', 'error'], 'failed'],
    ['every image is completed', ['image', 'image'], 'completed'],
  ])('with %s', async (_, ends, status) => {
    const id = await newJob();
    for (const [call, end] of ends.entries()) {
      const seq = await begin(id, call);
      await finishAttempt(steps, end === 'image' ? success(id, call, seq) : failure(id, call, seq));
    }
    expect((await job(id)).status).toBe(status);
  });

  test('is known from its creation as it is read, whatever was asked', async () => {
    const unusual: Partial<JobSpec> = {
      operation: 'edit',
      sentAs: 'edit',
      requestedModel: 'dall-e-3',
      input: { prompt: 'a cat', n: 3, images: [{ file_id: 'file-1', sha256: 'a', bytes: 3 }] },
      body: { model: 'gpt-image-2', prompt: 'a cat', images: [{ sha256: 'a', bytes: 3 }] },
      calls: [[0], [1, 2]],
      downscaleTo: { width: 512, height: 512 },
      warnings: ['a warning'],
      metadata: { order: '42' },
      onUnknown: 'fail',
      responseFormat: 'url',
      webhook: { url: 'https://example.com/hook', events: ['job.completed'] },
    };
    for (const spec of [{}, unusual]) {
      const created = await createJob(steps, newJobId(), { ...SPEC, ...spec }, null);
      expect(created.kind === 'created' ? created.record : created).toEqual(await job(created.id));
    }
  });

  test('tells the end on the channel in the same step', async () => {
    const subscriber = server.redis.duplicate();
    const heard: string[] = [];
    await subscriber.subscribe(steps.keys.jobChanges);
    subscriber.on('message', (_: string, message: string) => heard.push(message));
    const id = await newJob({ calls: [[0]] });
    await finishAttempt(steps, success(id, 0, await begin(id, 0)));
    await expect
      .poll(() => heard.some((message) => message.includes(` job.completed ${id} completed acme - -`)))
      .toBe(true);
    subscriber.disconnect();
  });
});

describe('idempotency', () => {
  test('twenty creations at once with one key make one job', async () => {
    const idempotency = { keyHash: randomUUID(), fingerprint: 'same' };
    const all = await Promise.all(Array.from({ length: 20 }, () => createJob(steps, newJobId(), SPEC, idempotency)));
    expect(new Set(all.map((created) => created.id)).size).toBe(1);
    expect(all.filter((created) => created.kind === 'created')).toHaveLength(1);
  });

  test('the key with another body is a conflict and makes nothing', async () => {
    const keyHash = randomUUID();
    const first = await createJob(steps, newJobId(), SPEC, { keyHash, fingerprint: 'one' });
    const other = newJobId();
    expect(await createJob(steps, other, SPEC, { keyHash, fingerprint: 'two' })).toMatchObject({
      kind: 'conflict',
      id: first.id,
    });
    expect(await readJob(steps.redis, steps.keys, other)).toBeNull();
  });

  test('another account may use the same key', async () => {
    const idempotency = { keyHash: randomUUID(), fingerprint: 'same' };
    await createJob(steps, newJobId(), SPEC, idempotency);
    expect(await createJob(steps, newJobId(), { ...SPEC, account: 'other' }, idempotency)).toMatchObject({
      kind: 'created',
    });
  });
});

describe('the paying gate', () => {
  test('lets a call through once: with its outcome there is nothing to pay for', async () => {
    const id = await newJob();
    await finishAttempt(steps, success(id, 0, await begin(id, 0)));
    expect(await beginAttempt(steps, await gateOf(id, 0))).toEqual({ kind: 'done' });
  });

  test('is shut for a job that is not there', async () => {
    expect(await beginAttempt(steps, await gateOf(newJobId(), 0))).toEqual({ kind: 'gone' });
  });

  test('is shut for a worker that has lost its item', async () => {
    const id = await newJob();
    const gate = await gateOf(id, 0);
    await steps.redis.set(gate.lockKey, 'worker-2:7');
    expect(await beginAttempt(steps, gate)).toEqual({ kind: 'lost' });
    await steps.redis.del(gate.lockKey);
    expect(await beginAttempt(steps, gate)).toEqual({ kind: 'lost' });
    expect((await job(id)).attempts).toEqual([]);
  });

  test('sends back a permit whose bucket has stopped since', async () => {
    const id = await newJob();
    const hash = steps.keys.bucket('default', randomUUID());
    await steps.redis.hset(hash, 'epoch', 3);
    const buckets = [{ hash, burst: 0, share: {} }];
    expect(await beginAttempt(steps, await gateOf(id, 0, { buckets, epoch: 2 }))).toEqual({ kind: 'stale' });
    expect(await beginAttempt(steps, await gateOf(id, 0, { buckets, epoch: 3 }))).toMatchObject({ kind: 'go' });
  });

  test('sends back an attempt of which an image has come late', async () => {
    const id = await newJob({ calls: [[0, 1]] });
    await finishAttempt(steps, { ...success(id, 0, 0), callImages: [0, 1] });
    const gate = await gateOf(id, 0, { callImages: [0, 1] });
    expect(await beginAttempt(steps, { ...gate, row: { ...gate.row, images: [0, 1] } })).toEqual({ kind: 'stale' });
    expect(await beginAttempt(steps, { ...gate, row: { ...gate.row, images: [1] } })).toMatchObject({ kind: 'go' });
  });

  test('is shut while the upstream key is paused, but for its probe', async () => {
    const id = await newJob();
    const upstreamKeyHash = steps.keys.upstreamKey(randomUUID());
    await steps.redis.hset(upstreamKeyHash, 'paused', '{}');
    expect(await beginAttempt(steps, await gateOf(id, 0, { upstreamKeyHash }))).toEqual({ kind: 'stale' });
    expect(await beginAttempt(steps, await gateOf(id, 0, { upstreamKeyHash, isProbe: true }))).toMatchObject({
      kind: 'go',
    });
  });

  test('closes the open attempt of a lost worker as unknown and lets one more through, no third', async () => {
    const id = await newJob({ calls: [[0]] });
    await begin(id, 0);
    expect(await beginAttempt(steps, await gateOf(id, 0))).toMatchObject({ kind: 'go', seq: 2, unknown: 1 });
    expect((await job(id)).attempts.map((row) => row.outcome)).toEqual(['unknown', null]);
    expect(await beginAttempt(steps, await gateOf(id, 0))).toEqual({ kind: 'unknown' });
    const ended = await job(id);
    expect(ended.status).toBe('failed');
    expect(ended.calls[0]).toMatchObject({ outcome: 'failed', error: { code: 'outcome_unknown' } });
  });

  test('with on_unknown fail buys nothing again', async () => {
    const id = await newJob({ calls: [[0]] });
    await begin(id, 0);
    expect(await beginAttempt(steps, await gateOf(id, 0, { onUnknown: 'fail' }))).toEqual({ kind: 'unknown' });
    expect((await job(id)).attempts).toHaveLength(1);
  });

  test('withholds the call of a cancelled job whose worker is lost', async () => {
    const id = await newJob({ calls: [[0]] });
    await begin(id, 0);
    await withholdCalls(steps, id, 1, 'cancelled');
    expect(await beginAttempt(steps, await gateOf(id, 0))).toEqual({ kind: 'withheld' });
    expect((await job(id)).status).toBe('cancelled');
  });

  test('withholds the call of an expired job', async () => {
    const id = await newJob({ calls: [[0]], expiresAfterSeconds: 0 });
    expect(await beginAttempt(steps, await gateOf(id, 0))).toEqual({ kind: 'withheld' });
    expect((await job(id)).status).toBe('expired');
  });
});

describe('a gate asked twice', () => {
  test('under one permit opens once and says the same', async () => {
    const id = await newJob();
    const gate = await gateOf(id, 0);
    const sent = { ...gate, row: { ...gate.row, permit: 'permit-1' } };
    const first = await beginAttempt(steps, sent);
    const until = { sendBefore: expect.any(Number) as number };
    expect(await beginAttempt(steps, sent)).toEqual({ ...first, ...until });
    expect((await job(id)).attempts.map((row) => row.outcome)).toEqual([null]);
  });
});

describe('a job of a batch', () => {
  test('is not made once its batch takes no more', async () => {
    const batchId = 'batch_01kb4xwqf7c0v3m8r5y2d9tz6n';
    await steps.redis.hset(steps.keys.batch(batchId), 'status', 'cancelled');
    const id = newJobId();
    expect(await createJob(steps, id, { ...SPEC, batchId }, null)).toMatchObject({ kind: 'closed' });
    expect(await readJob(steps.redis, steps.keys, id)).toBeNull();
  });
});

describe('the end of an attempt', () => {
  test('that was given up for lost fails nothing while the next one is under way', async () => {
    const id = await newJob({ calls: [[0]] });
    const frozen = await begin(id, 0);
    const second = await begin(id, 0);
    expect(await finishAttempt(steps, failure(id, 0, frozen))).toMatchObject({ callOutcome: '', jobEnded: null });
    expect((await finishAttempt(steps, success(id, 0, second))).jobEnded).toBe('completed');
  });

  test('repeated, changes nothing', async () => {
    const id = await newJob({ calls: [[0]] });
    const finish = success(id, 0, await begin(id, 0));
    await finishAttempt(steps, finish);
    const once = await job(id);
    expect(await finishAttempt(steps, finish)).toMatchObject({ kept: 0, callOutcome: 'succeeded', jobEnded: null });
    expect(await job(id)).toEqual(once);
  });

  test('never overwrites an image: the first stays', async () => {
    const id = await newJob();
    const first = await begin(id, 0);
    const second = await begin(id, 0);
    await finishAttempt(steps, success(id, 0, second, [image(0, 'second')]));
    await finishAttempt(steps, success(id, 0, first, [image(0, 'first')]));
    expect((await job(id)).images.get(0)?.sha256).toBe('second');
  });

  test('that comes late is kept when the call has no outcome yet, and its row tells the truth', async () => {
    const id = await newJob({ calls: [[0]] });
    const frozen = await begin(id, 0);
    const second = await begin(id, 0);
    expect((await finishAttempt(steps, success(id, 0, frozen))).jobEnded).toBe('completed');
    await finishAttempt(steps, success(id, 0, second));
    const ended = await job(id);
    expect(ended.attempts.map((row) => row.outcome)).toEqual(['succeeded', 'succeeded']);
    expect(ended.attempts.map((row) => row.costMicroUsd)).toEqual([5, 5]);
  });

  test('that comes after the call failed for good shows what it cost and changes no outcome', async () => {
    const id = await newJob({ calls: [[0]] });
    const frozen = await begin(id, 0);
    await beginAttempt(steps, await gateOf(id, 0, { onUnknown: 'fail' }));
    await finishAttempt(steps, success(id, 0, frozen));
    const ended = await job(id);
    expect(ended.status).toBe('failed');
    expect(ended.images.size).toBe(0);
    expect(ended.attempts[0]).toMatchObject({ outcome: 'succeeded', costMicroUsd: 5 });
  });

  test('an answered attempt keeps its cost when its worker dies before the record', async () => {
    const id = await newJob({ calls: [[0]] });
    const seq = await begin(id, 0);
    expect(await noteAnswer(steps, id, 0, seq, { costMicroUsd: 77, requestId: 'req_7' })).toBe(true);
    await begin(id, 0);
    expect((await job(id)).attempts[0]).toMatchObject({
      outcome: 'succeeded',
      costMicroUsd: 77,
      requestId: 'req_7',
      answeredAt: expect.any(Number),
    });
  });

  test('with some of the images leaves the call open for the rest', async () => {
    const id = await newJob({ calls: [[0, 1, 2]] });
    const seq = await begin(id, 0);
    const part: Finish = { ...success(id, 0, seq, [image(0), image(2)]), callImages: [0, 1, 2] };
    expect(await finishAttempt(steps, part)).toMatchObject({ kept: 2, callOutcome: '', jobEnded: null });
    const row = { run: 1, upstreamKey: 'default', images: [1], upperBoundMicroUsd: 1 };
    const again = await begin(id, 0, { row });
    const rest: Finish = { ...success(id, 0, again, [image(1)]), callImages: [0, 1, 2] };
    expect(await finishAttempt(steps, rest)).toMatchObject({
      kept: 1,
      callOutcome: 'succeeded',
      jobEnded: 'completed',
    });
  });
});

describe('a call that can never be sent', () => {
  const error = { code: 'input_lost', type: 'server_error', message: 'gone', param: 'images[0]', status: 500 };
  const fail = async (jobId: string, call: number, changes: Partial<Gate> = {}) => {
    const { lockKey, lockToken } = await gateOf(jobId, call, changes);
    return failCall(steps, { jobId, call, run: 1, lockKey, lockToken, error });
  };

  test('fails without an attempt and ends its job when it was the last', async () => {
    const id = await newJob();
    await finishAttempt(steps, success(id, 0, await begin(id, 0)));
    expect(await fail(id, 1)).toEqual({ kind: 'failed', jobEnded: 'incomplete' });
    const ended = await job(id);
    expect(ended.calls[1]).toMatchObject({ outcome: 'failed', attempts: 0, error });
    expect(ended.attempts).toHaveLength(1);
    expect(await fail(id, 1)).toEqual({ kind: 'done' });
  });

  test('leaves the job open while other calls are', async () => {
    const id = await newJob();
    expect(await fail(id, 0)).toEqual({ kind: 'failed', jobEnded: null });
    expect((await job(id)).status).toBe('queued');
  });

  test('shows an earlier attempt nobody saw the end of as unknown', async () => {
    const id = await newJob({ calls: [[0]] });
    await begin(id, 0);
    expect(await fail(id, 0)).toEqual({ kind: 'failed', jobEnded: 'failed' });
    expect((await job(id)).attempts[0]).toMatchObject({ outcome: 'unknown', code: 'worker_lost' });
  });

  test('is withheld when its job was cancelled meanwhile', async () => {
    const id = await newJob({ calls: [[0]] });
    await begin(id, 0);
    await withholdCalls(steps, id, 1, 'cancelled');
    expect(await fail(id, 0)).toEqual({ kind: 'withheld', jobEnded: 'cancelled' });
  });

  test('is left alone by a worker that has lost its item, and by an item of an earlier run', async () => {
    const id = await newJob({ calls: [[0]] });
    expect(await fail(id, 0, { lockToken: 'worker-2:7' })).toEqual({ kind: 'lost' });
    await finishAttempt(steps, failure(id, 0, await begin(id, 0)));
    await retryJob(steps, { id, run: 1, spec: SPEC });
    expect(await fail(id, 0)).toEqual({ kind: 'done' });
    expect(await fail(newJobId(), 0)).toEqual({ kind: 'gone' });
  });

  test('of a batch counts its line as failed', async () => {
    const batchId = 'batch_01kb4xwqf7c0v3m8r5y2d9tz6p';
    await steps.redis.hset(steps.keys.batch(batchId), 'status', 'in_progress');
    const id = newJobId();
    await createJob(steps, id, { ...SPEC, calls: [[0]], batchId }, null);
    await fail(id, 0);
    expect(await steps.redis.hgetall(steps.keys.batch(batchId))).toMatchObject({ submitted: '1', failed: '1' });
    expect(await steps.redis.scard(steps.keys.batchOpenJobs(batchId))).toBe(0);
  });
});

describe('cancel', () => {
  test('withholds what has not been sent and lets the rest finish', async () => {
    const id = await newJob();
    const seq = await begin(id, 0);
    expect(await withholdCalls(steps, id, 2, 'cancelled')).toEqual({ kind: 'done', status: 'in_progress' });
    expect((await finishAttempt(steps, success(id, 0, seq))).jobEnded).toBe('cancelled');
    const ended = await job(id);
    expect(ended.images.size).toBe(1);
    expect(ended.calls[1]).toMatchObject({ outcome: 'withheld', error: { code: 'cancelled' } });
  });

  test('of a waiting job ends it at once, and again changes nothing', async () => {
    const id = await newJob();
    expect(await withholdCalls(steps, id, 2, 'cancelled')).toEqual({ kind: 'done', status: 'cancelled' });
    expect(await withholdCalls(steps, id, 2, 'cancelled')).toEqual({ kind: 'ended', status: 'cancelled' });
  });

  test('tells a call that was sent, with an outcome nobody knows, as that and not as never requested', async () => {
    const id = await newJob({ calls: [[0], [1], [2]] });
    const lost = failure(id, 0, await begin(id, 0), { outcome: 'unknown', count: 'unknown', isFinal: false });
    await finishAttempt(steps, lost); // waits to be sent again
    const seq = await begin(id, 1);
    expect(await withholdCalls(steps, id, 3, 'cancelled')).toMatchObject({ kind: 'done' });
    const late = failure(id, 1, seq, { outcome: 'unknown', count: 'unknown', isFinal: false });
    expect((await finishAttempt(steps, late)).jobEnded).toBe('cancelled');
    const { calls } = await job(id);
    expect(calls.map(({ outcome, error }) => [outcome, error?.code])).toEqual([
      ['withheld', 'outcome_unknown'],
      ['withheld', 'outcome_unknown'],
      ['withheld', 'cancelled'],
    ]);
  });

  test('tells a call that was sent and failed by what the upstream said', async () => {
    const id = await newJob();
    const [first, second] = [await begin(id, 0), await begin(id, 1)];
    const error = { code: 'server_error', status: 500, message: 'Oh.' };
    const failed = { outcome: 'failed', facts: { status: 500 }, count: 'failed', isFinal: false, error } as const;
    await finishAttempt(steps, failure(id, 0, first, failed)); // waits to be sent again
    await withholdCalls(steps, id, 2, 'cancelled');
    await finishAttempt(steps, failure(id, 1, second, failed));
    const ended = await job(id);
    expect(ended.status).toBe('cancelled');
    expect(ended.calls.map((call) => call.error)).toEqual([error, error]);
  });

  test('that comes when every call is under way and succeeds leaves a completed job', async () => {
    const id = await newJob({ calls: [[0]] });
    const seq = await begin(id, 0);
    await withholdCalls(steps, id, 1, 'cancelled');
    expect((await finishAttempt(steps, success(id, 0, seq))).jobEnded).toBe('completed');
  });
});

describe('expiry', () => {
  test('touches nothing before its time', async () => {
    const id = await newJob();
    expect(await withholdCalls(steps, id, 2, 'expired')).toEqual({ kind: 'done', status: 'queued' });
  });

  test('ends a job that was never sent', async () => {
    const id = await newJob({ expiresAfterSeconds: 0 });
    expect(await withholdCalls(steps, id, 2, 'expired')).toEqual({ kind: 'done', status: 'expired' });
  });
});
