import { type RedisPair, startRedisPair } from '@darkroom/testing/redis-pair.ts';
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newJobId } from '../base/ids.ts';
import { keysOf } from '../base/keys.ts';
import { openRedis } from '../base/redis.ts';
import { buildReplicas } from '../base/replicas.ts';
import { type Finish, finishAttempt } from './attempt-steps.ts';
import { beginAttempt, type Gate } from './paying-gate.ts';
import { createJob, type JobSteps } from './steps.ts';
import { readJob } from './store.ts';
import { TEST_SPEC } from './test-spec.ts';

const LOCK = '{darkroom}:lock';
const IMAGE = { index: 0, key: 'k', contentType: 'image/png', bytes: 9, width: 1, height: 1, sha256: 'a' };
const FINISH: Omit<Finish, 'jobId'> = {
  call: 0,
  seq: 1,
  outcome: 'succeeded',
  facts: { costMicroUsd: 5 },
  count: '',
  isFinal: false,
  error: null,
  images: [{ ...IMAGE, revisedPrompt: null }],
  callImages: [0],
};
let pair: RedisPair;
let redis: Redis;
let steps: JobSteps;

beforeEach(async () => {
  pair = await startRedisPair();
  redis = await openRedis(pair.master.url, 'patient', () => undefined);
  const keys = keysOf('darkroom');
  steps = { redis, keys, retentionMs: 3_600_000, replicas: buildReplicas(redis, keys.replicated, 1) };
});
afterEach(async () => {
  redis.disconnect();
  await pair.close();
});

async function newJob(): Promise<string> {
  return (await createJob(steps, newJobId(), TEST_SPEC, null)).id;
}

async function gateOf(jobId: string, permit: string): Promise<Gate> {
  const spoolRoomHash = steps.keys.spoolRoom('host');
  await redis.set(LOCK, 'token');
  await redis.hset(spoolRoomHash, 'process', `1 ${Date.now() + 60_000}`);
  return {
    jobId,
    call: 0,
    lockKey: LOCK,
    lockToken: 'token',
    onUnknown: 'retry',
    upstreamKeyHash: steps.keys.upstreamKey('default'),
    spoolRoomHash,
    processId: 'process',
    tag: 1,
    buckets: [{ hash: steps.keys.bucket('default', 'gpt-image-2'), burst: 0, share: {} }],
    epoch: 0,
    isProbe: false,
    row: { permit, run: 1, upstreamKey: 'default', images: [0], upperBoundMicroUsd: 211_000 },
    callImages: [0],
  };
}

describe('a job', () => {
  test('is accepted when the replica has it', async () => {
    const id = await newJob();
    expect(await readJob(pair.survivor, steps.keys, id)).toMatchObject({ id, status: 'queued' });
  });

  test('is refused, and not recorded, once the replica is known to be away', async () => {
    await newJob();
    pair.replica.signal('SIGSTOP');
    await expect(newJob()).rejects.toThrow('The job may have been recorded nevertheless');
    await expect(newJob()).rejects.toThrow('Nothing was done.');
    expect(await redis.zcard(steps.keys.accountJobs('acme'))).toBe(2);
    pair.replica.signal('SIGCONT');
  });
});

describe('the paying gate', () => {
  test('lets a call pass when the replica has its row', async () => {
    const id = await newJob();
    expect(await beginAttempt(steps, await gateOf(id, 'a'))).toMatchObject({ kind: 'go', seq: 1 });
    expect((await readJob(pair.survivor, steps.keys, id))?.attempts).toMatchObject([{ outcome: null, permit: 'a' }]);
  });

  test('sends nothing whose row the replica does not have, and shows that as not sent and not as a failure', async () => {
    const id = await newJob();
    pair.replica.signal('SIGSTOP');
    expect(await beginAttempt(steps, await gateOf(id, 'a'))).toEqual({ kind: 'unreplicated' });
    expect(await beginAttempt(steps, await gateOf(id, 'b'))).toEqual({ kind: 'unreplicated' });
    const record = await readJob(redis, steps.keys, id);
    expect(record?.attempts).toMatchObject([{ outcome: 'failed', code: 'redis_not_replicated' }]);
    expect(record?.attempts).toHaveLength(1);
    expect(record?.calls[0]).toMatchObject({ outcome: '', failed: 0, unknown: 0, open: 0 });
    pair.replica.signal('SIGCONT');
    await expect.poll(async () => (await beginAttempt(steps, await gateOf(id, 'c'))).kind).toBe('go');
    expect((await readJob(redis, steps.keys, id))?.calls[0]).toMatchObject({ unknown: 0, failed: 0 });
  });

  test('leaves a call open whose images are not all there, though those of the request came late meanwhile', async () => {
    const spec = { ...TEST_SPEC, calls: [[0, 1]] };
    const { id } = await createJob(steps, newJobId(), spec, null);
    pair.replica.signal('SIGSTOP');
    const gated = beginAttempt(steps, { ...(await gateOf(id, 'a')), callImages: [0, 1] });
    const other = await openRedis(pair.master.url, 'patient', () => undefined);
    await expect.poll(async () => (await readJob(other, steps.keys, id))?.calls[0]?.open).toBe(1);
    const late = { ...FINISH, jobId: id, seq: 0, facts: {}, callImages: [0, 1] };
    await finishAttempt({ redis: other, keys: steps.keys, retentionMs: 0 }, late);
    expect(await gated).toEqual({ kind: 'unreplicated' });
    const record = await readJob(other, steps.keys, id);
    expect(record).toMatchObject({ status: 'in_progress', calls: [{ outcome: '', open: 0 }] });
    other.disconnect();
    pair.replica.signal('SIGCONT');
  });

  test('refuses as ever what has nothing to do with replicas', async () => {
    const id = await newJob();
    pair.replica.signal('SIGSTOP');
    const gate = await gateOf(id, 'a');
    expect(await beginAttempt(steps, { ...gate, lockToken: 'another' })).toEqual({ kind: 'lost' });
    pair.replica.signal('SIGCONT');
  });
});

test('a paid answer is recorded at once and reported when the replica has it', async () => {
  const id = await newJob();
  await beginAttempt(steps, await gateOf(id, 'a'));
  pair.replica.signal('SIGSTOP');
  let ended: string | null = null;
  const record = async (): Promise<void> => {
    ended = (await finishAttempt(steps, { ...FINISH, jobId: id })).jobEnded;
  };
  const finishing = record();
  const other = await openRedis(pair.master.url, 'patient', () => undefined);
  await expect.poll(async () => (await readJob(other, steps.keys, id))?.status).toBe('completed');
  expect(ended).toBeNull();
  pair.replica.signal('SIGCONT');
  await finishing;
  expect(ended).toBe('completed');
  expect((await readJob(pair.survivor, steps.keys, id))?.images.size).toBe(1);
  other.disconnect();
});
