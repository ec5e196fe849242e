// Each thing the sweep mends, damaged by hand and mended once by three workers at the same time.
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readVariables } from '@darkroom/shared/base/config.ts';
import { newBatchId, newFileId } from '@darkroom/shared/base/ids.ts';
import type { BatchSpec } from '@darkroom/shared/batches/record.ts';
import { createBatch, moveBatch } from '@darkroom/shared/batches/steps.ts';
import { fileKey, imageKey, inputKey } from '@darkroom/shared/images/keys.ts';
import { sweepInputs } from '@darkroom/shared/inputs/input-store.ts';
import { readJob, readStatus } from '@darkroom/shared/jobs/store.ts';
import { itemLockKey } from '@darkroom/shared/queues/call-queue.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { workerVariables } from '../../config.ts';
import { type Deps, openDeps } from '../../deps.ts';
import { endByHand, submitByHand } from '../../testing/jobs-by-hand.ts';
import { trimLists } from '../trim-lists.ts';
import { sweepBatchMembers } from './batch-members.ts';
import { sweepLeftBehind } from './left-behind.ts';
import { sweepOpenJobs } from './open-jobs.ts';
import { sweepOrphanBytes } from './orphan-bytes.ts';
import { sweepMark } from './renew-mark.ts';
import type { RepairKind } from './repair.ts';
import { sweepUnlisted } from './unlisted.ts';

const LANE = 'gpt-image-2';
const HOOK = 'https://hooks.example.com/here';
const DAY_MS = 86_400_000;
const PLAIN = { contentType: 'text/plain' };

let server: TestRedis;
let folder: string;
let workers: Deps[];
let deps: Deps;

beforeEach(async () => {
  server = await openTestRedis();
  folder = await mkdtemp(join(tmpdir(), 'darkroom-sweep-'));
  const variables = readVariables(workerVariables, {
    REDIS_URL: server.url,
    REDIS_PREFIX: server.prefix,
    STORAGE_URL: `file:${folder}/images`,
    SPOOL_DIR: `${folder}/spool`,
    OPENAI_API_KEY: 'sk-test',
    LOG_LEVEL: 'silent',
  });
  workers = await Promise.all([openDeps(variables), openDeps(variables), openDeps(variables)]);
  deps = workers[0] as Deps;
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.close()));
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** A part of the sweep on all workers at the same time. */
async function sweep(part: (worker: Deps) => Promise<void>): Promise<void> {
  await Promise.all(workers.map((worker) => part(worker)));
}

/** What all workers say they have mended. */
async function repairs(): Promise<Partial<Record<RepairKind, number>>> {
  const sums = new Map<string, number>();
  for (const worker of workers) {
    const { values } = await worker.metrics.sweepRepairs.get();
    for (const { labels, value } of values) sums.set(String(labels.kind), (sums.get(String(labels.kind)) ?? 0) + value);
  }
  return Object.fromEntries(sums);
}

const submit = (changes = {}): Promise<string> => submitByHand(deps.steps, HOOK, changes);

async function makeDue(jobId: string): Promise<void> {
  await server.redis.zadd(deps.keys.openJobs, 1, jobId);
}

async function damage(jobId: string, field: string, changes: object): Promise<void> {
  const value = JSON.parse((await server.redis.hget(deps.keys.job(jobId), field)) ?? '{}') as object;
  await server.redis.hset(deps.keys.job(jobId), field, JSON.stringify({ ...value, ...changes }));
}

const hasItem = async (jobId: string): Promise<boolean> =>
  (await deps.queues.exist(LANE, [{ jobId, call: 0, run: 1 }]))[0] === true;

describe('an open job', () => {
  test('without queue items gets them', async () => {
    const job = await submit();
    await makeDue(job);
    await sweep(sweepOpenJobs);
    expect(await hasItem(job)).toBe(true);
    expect(await repairs()).toEqual({ item_added: 1 });
    await makeDue(job);
    await sweep(sweepOpenJobs);
    expect(await repairs()).toEqual({ item_added: 1 });
  });

  test('is looked at again later, and no later than its time is over', async () => {
    const [usual, short] = [await submit(), await submit({ expiresAfterSeconds: 20 })];
    for (const job of [usual, short]) await makeDue(job);
    await sweep(sweepOpenJobs);
    const expiresAt = (await readJob(server.redis, deps.keys, short))?.expiresAt;
    expect(Number(await server.redis.zscore(deps.keys.openJobs, short))).toBe(expiresAt);
    expect(Number(await server.redis.zscore(deps.keys.openJobs, usual))).toBeGreaterThan(Date.now() + 25_000);
  });

  test('past its time ends', async () => {
    const job = await submit();
    await damage(job, 'state', { expiresAt: 1 });
    await makeDue(job);
    await sweep(sweepOpenJobs);
    expect(await readStatus(server.redis, deps.keys, job)).toBe('expired');
    expect(await repairs()).toEqual({ expired: 1 });
  });

  test('that has ended or is gone leaves the list', async () => {
    const job = await submit();
    await endByHand(deps.steps, job);
    for (const id of [job, 'job_gone']) await makeDue(id);
    await sweep(sweepOpenJobs);
    expect(await server.redis.zcard(deps.keys.openJobs)).toBe(0);
    expect(await repairs()).toEqual({});
  });
});

describe('a call with an attempt open and no item', () => {
  let job: string;

  beforeEach(async () => {
    job = await submit();
    await damage(job, 'call:0', { attempts: 1, open: 1 });
    await damage(job, 'attempt:0.1', { at: 1, outcome: null, run: 1, upstreamKey: 'default', images: [0] });
    await makeDue(job);
  });

  const missedFor = async (ms: number): Promise<void> => {
    await server.redis.set(deps.keys.missedSince(job, 0, 1), Date.now() - ms);
    await makeDue(job);
  };

  test('gets one only after as long as a lock lives: its worker may be at it', async () => {
    await sweep(sweepOpenJobs);
    expect(await hasItem(job)).toBe(false);
    await missedFor(deps.config.LOCK_DURATION_MS - 5_000);
    await sweep(sweepOpenJobs);
    expect(await repairs()).toEqual({});
    await missedFor(deps.config.LOCK_DURATION_MS + 1);
    await sweep(sweepOpenJobs);
    expect(await hasItem(job)).toBe(true);
    expect(await repairs()).toEqual({ stuck_call: 1 });
  });

  test('gets none while somebody holds its lock', async () => {
    const lock = itemLockKey(deps.keys, LANE, `${job}-c0`);
    await server.redis.set(lock, 'token');
    await missedFor(deps.config.LOCK_DURATION_MS + 1);
    await sweep(sweepOpenJobs);
    expect(await hasItem(job)).toBe(false);
    await server.redis.del(lock); // missed again, but not since then
    await makeDue(job);
    await sweep(sweepOpenJobs);
    expect(await hasItem(job)).toBe(false);
  });

  test('gets none while its answer is spooled', async () => {
    await damage(job, 'call:0', { spooled: 1 });
    await missedFor(deps.config.LOCK_DURATION_MS + 1);
    await sweep(sweepOpenJobs);
    expect(await hasItem(job)).toBe(false);
    expect(await repairs()).toEqual({});
  });
});

async function batchInProgress(): Promise<string> {
  const id = newBatchId();
  const spec: BatchSpec = {
    account: 'default',
    endpoint: null,
    inputFileId: null,
    inputKey: fileKey('default', newFileId()),
    completionWindow: '24h',
    windowMs: DAY_MS,
    onInvalid: 'skip',
    priority: 'normal',
    metadata: {},
    webhook: null,
  };
  await createBatch(deps.steps, id, spec, null);
  await moveBatch(deps.steps, { id, run: 1 }, 'validating', 'in_progress');
  return id;
}

describe('a batch', () => {
  test('no longer waits for jobs that have ended or are gone', async () => {
    const batch = await batchInProgress();
    const [ended, open] = [await submit({ batchId: batch }), await submit({ batchId: batch })];
    await endByHand(deps.steps, ended);
    const members = deps.keys.batchOpenJobs(batch);
    await server.redis.sadd(members, ended, 'job_gone');
    await sweep(sweepBatchMembers);
    expect(await server.redis.smembers(members)).toEqual([open]);
    expect(await repairs()).toEqual({ batch_member: 2 });
  });
});

describe('what waits and stands on no list', () => {
  test('is put back on it', async () => {
    const { redis } = server;
    const { keys } = deps;
    const [job, batch, told] = [await submit(), await batchInProgress(), await submit()];
    await endByHand(deps.steps, told);
    await redis.zadd(`${keys.receiver('far.example.com')}:waiting`, 1, 'evt_1');
    await redis.zadd(keys.leases('default', LANE), 1, 'dead', Date.now() + DAY_MS, 'alive');
    await redis.del(keys.openJobs, keys.openBatches, keys.outbox, keys.receivers);
    await sweep(sweepUnlisted);
    expect(await redis.zrange(keys.openJobs, '0', '-1')).toEqual([job]);
    expect(await redis.zrange(keys.openBatches, '0', '-1')).toEqual([batch]);
    expect(await redis.zrange(keys.outbox, '0', '-1')).toEqual(['hooks.example.com']);
    expect(await redis.zrange(keys.receivers, '0', '-1')).toEqual(['far.example.com']);
    expect(await redis.zrange(keys.leases('default', LANE), '0', '-1')).toEqual(['alive']);
    const each = { job_listed: 1, batch_listed: 1, outbox_listed: 1, receiver_listed: 1, lease: 1 };
    expect(await repairs()).toEqual(each);
    await redis.del(keys.sweepTurn('unlisted'));
    await sweep(sweepUnlisted);
    expect(await repairs()).toEqual(each);
  });

  test('is found however many keys there are, a step at a time', async () => {
    const job = await submit();
    await server.redis.del(deps.keys.openJobs);
    const fill = server.redis.pipeline();
    for (let at = 0; at < 5_000; at += 1) fill.set(`${deps.keys.queuePrefix}:idempotency:x:${at}`, '1');
    await fill.exec();
    let steps = 0;
    do {
      await server.redis.del(deps.keys.sweepTurn('unlisted'));
      await sweep(sweepUnlisted);
      steps += 1;
    } while ((await server.redis.get(deps.keys.sweepCursor)) !== '0');
    expect(steps).toBeGreaterThan(3);
    expect(await server.redis.zrange(deps.keys.openJobs, '0', '-1')).toEqual([job]);
    expect(await repairs()).toEqual({ job_listed: 1 });
  });
});

describe('lists', () => {
  test('lose ids of what is no longer kept, and accounts without jobs', async () => {
    const { redis } = server;
    const { keys } = deps;
    const [kept, batch] = [await submit(), await batchInProgress()];
    await redis.zadd(keys.accountJobs('default'), 1, 'job_gone');
    await redis.zadd(keys.accountBatches('default'), 1, 'batch_gone');
    await redis.sadd(keys.accounts, 'nobody');
    await redis.zadd(keys.accountJobs('nobody'), 1, 'job_old');
    await sweep(trimLists);
    expect(await redis.zrange(keys.accountJobs('default'), '0', '-1')).toEqual([kept]);
    expect(await redis.zrange(keys.accountBatches('default'), '0', '-1')).toEqual([batch]);
    expect(await redis.smembers(keys.accounts)).toEqual(['default']);
    expect(await repairs()).toEqual({ vanished_id: 3, account: 1 });
  });
});

describe('bytes nothing refers to', () => {
  const inAWeek = (worker: Deps): Promise<void> =>
    sweepOrphanBytes(worker, new AbortController().signal, Date.now() + 8 * DAY_MS);

  test('go after a week; images, and what is young, recorded or of an unknown account, stay', async () => {
    const job = await submit();
    const [orphan, recorded] = [fileKey('default', newFileId()), fileKey('default', newFileId())];
    const [input, known] = ['ab'.repeat(32), 'cd'.repeat(32)];
    const foreign = fileKey('somebody', newFileId());
    const image = imageKey('default', job, 0, 'png');
    const stay = [recorded, foreign, image, inputKey('default', known)];
    for (const key of [orphan, inputKey('default', input), ...stay]) await deps.store.put(key, Buffer.from('x'), PLAIN);
    await server.redis.hset(deps.keys.file(recorded.split('/')[2] ?? ''), 'id', 'x');
    await server.redis.hset(deps.keys.input('default', known), 'facts', '{}');
    await sweep((worker) => sweepOrphanBytes(worker, new AbortController().signal));
    expect(await repairs()).toEqual({});
    await server.redis.del(deps.keys.sweepTurn('orphan-bytes'));
    await sweep(inAWeek);
    expect(await repairs()).toEqual({ file_bytes: 1, input_bytes: 1 });
    await Promise.all(workers.map((worker) => sweepInputs(worker, Date.now(), 100)));
    expect(await Array.fromAsync(deps.store.list(''))).toEqual(stay.sort());
  });
});

test('bytes nothing refers to stay in a storage that another Redis has used as well', async () => {
  await submit();
  const key = fileKey('default', newFileId());
  await deps.store.put(key, Buffer.from('x'), PLAIN);
  await server.redis.hset(deps.keys.storage, 'books', 'another');
  await sweep((worker) => sweepOrphanBytes(worker, new AbortController().signal, Date.now() + 8 * DAY_MS));
  expect(await repairs()).toEqual({});
  expect(await deps.store.head(key)).not.toBeNull();
});

test('the storage’s mark is made young again, once a day by one worker', async () => {
  await deps.store.probe();
  const mark = join(folder, 'images', 'darkroom.json');
  const aMonthAgo = new Date(Date.now() - 30 * DAY_MS);
  for (const isRenewed of [true, false]) {
    await utimes(mark, aMonthAgo, aMonthAgo);
    await sweep(sweepMark);
    expect((await stat(mark)).mtimeMs > Date.now() - DAY_MS).toBe(isRenewed);
  }
});

test('what a killed process left half written goes', async () => {
  const temporary = join(folder, 'images', '.tmp');
  const old = new Date(Date.now() - DAY_MS);
  for (const name of ['old.tmp', 'young.tmp']) await writeFile(join(temporary, name), 'half');
  await utimes(join(temporary, 'old.tmp'), old, old);
  vi.stubEnv('TMPDIR', folder); // the machine's own may hold what other tests have killed
  await sweep(sweepLeftBehind);
  vi.unstubAllEnvs();
  expect(await readdir(temporary)).toEqual(['young.tmp']);
  expect((await repairs()).leftover).toBe(1);
});
