// Paid answers while the image storage is away, on real processes: they wait in the spool of their host, through crashes and
// on other hosts, nothing new is sent, and nothing is bought twice.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Job } from '../support/api.ts';
import { expectImagesToBeWhole } from '../support/images.ts';
import { type S3Process, startS3Process } from '../support/s3.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const AWAY = { kind: 'status', operation: 'Put', params: { status: 403 } };
/** Larger than all copies in Redis together may be. */
const NO_ROOM_FOR_COPIES = 33 * 1_024 ** 2;
let stack: TestStack;
let s3: S3Process;

beforeAll(async () => {
  s3 = await startS3Process();
  stack = await startTestStack({ env: { ...s3.env, LOCK_DURATION_MS: '3000' } });
});
beforeEach(async () => {
  await s3.clearFaults();
  await stack.reset();
  await stack.ensureWorker();
});
afterEach(() => s3.clearFaults());
afterAll(async () => {
  try {
    await stack.stop();
  } finally {
    await s3.stop();
  }
});

async function sent(): Promise<number> {
  return (await stack.simulator.ledger()).requests.length;
}

/** Submits a job whose answer comes while S3 is away, and waits until it is spooled. */
async function submitAndSpool(body: Readonly<Record<string, unknown>> = {}): Promise<Job> {
  const before = await sent();
  await stack.simulator.fault('latency', { count: 1, params: { ms: 500 } });
  const job = await stack.api.submit(body);
  await until('its call is upstream', async () => (await sent()) === before + 1);
  await s3.fault(AWAY);
  await until('its answer is spooled', () => stack.redis.zscore('{darkroom}:spooled', `${job.id} 0 1`));
  return job;
}

async function expectOnePurchase(id: string, images = 1): Promise<void> {
  // Leases of the dead worker are waited for.
  const job = await stack.api.ended(id, 60_000);
  expect(job).toMatchObject({ status: 'completed', usage: { possible_extra_cost_usd: 0 } });
  await expectImagesToBeWhole(stack, job);
  const ledger = await stack.simulator.ledger();
  expect([ledger.requests.length, ledger.images.length]).toEqual([1, images]);
}

test('while storage is away the job stays in progress and nothing new is sent; when it is back all goes on', async () => {
  const job = await submitAndSpool({ n: 3 });
  const waiting = await Promise.all([stack.api.submit(), stack.api.submit({ model: 'gpt-image-2' })]);
  await until('the storage was tried again', async () => {
    const { status, json } = await stack.api.request('GET', '/readyz');
    return status === 503 && json !== null;
  });
  const metrics = stack.worker.lines.filter((line) => line.includes('no new calls until it is back'));
  expect(metrics.length).toBeGreaterThan(0);
  expect(await stack.api.job(job.id)).toMatchObject({ status: 'in_progress', images: [] });
  expect(await sent()).toBe(1);
  await s3.clearFaults();
  const ended = await Promise.all([job, ...waiting].map(({ id }) => stack.api.ended(id)));
  expect(ended.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
  const { images } = await stack.simulator.ledger();
  expect([await sent(), images.length]).toEqual([3, 5]);
  await until('the spool is empty', async () => (await spoolFiles()).length === 0);
});

async function spoolFiles(folder = 'spool'): Promise<string[]> {
  return (await readdir(join(stack.directory, folder))).filter((name) => name.endsWith('.spool'));
}

test('a worker killed while its answer is spooled: after the restart the job is completed, bought once', async () => {
  const { id } = await submitAndSpool({ n: 2 });
  await stack.killWorkers();
  await s3.clearFaults();
  await stack.stack.addWorker();
  await expectOnePurchase(id, 2);
});

test('a worker killed while its first put takes long: its answer is in the spool already, and no other host buys it again', async () => {
  await s3.fault({ kind: 'hang', operation: 'Put' });
  const { id } = await stack.api.submit({ n: 2 });
  await until('its answer is spooled', () => stack.redis.zscore('{darkroom}:spooled', `${id} 0 1`));
  expect(await spoolFiles()).toHaveLength(1);
  await stack.killWorkers();
  await s3.clearFaults();
  await stack.stack.addWorker({ SPOOL_DIR: join(stack.directory, 'spool-elsewhere') });
  await until('its item was taken up and has ended', async () => {
    const lists = await stack.redis.keys('{darkroom}:*:active');
    return lists.length === 0;
  });
  expect(await stack.api.job(id)).toMatchObject({ status: 'in_progress' });
  await stack.replaceWorkers({});
  await expectOnePurchase(id, 2);
  await until('the spool is empty', async () => (await spoolFiles()).length === 0);
});

test('its host gone: a worker with another spool stores the answer from the copy in Redis', async () => {
  const { id } = await submitAndSpool();
  await until('its copy is in Redis', () => stack.redis.exists(`{darkroom}:spool-copy:${id} 0 1`));
  await stack.killWorkers();
  await s3.clearFaults();
  await stack.stack.addWorker({ SPOOL_DIR: join(stack.directory, 'spool-elsewhere') });
  await expectOnePurchase(id);
  await stack.replaceWorkers({});
  await until('the file of the old host is gone too', async () => (await spoolFiles()).length === 0);
});

test('its host gone, no copy, its time over: reported as paid and lost, not bought again; found later, retry buys nothing', async () => {
  await stack.redis.hset('{darkroom}:spool-copies', 'job_other 0 1', NO_ROOM_FOR_COPIES);
  const { id } = await submitAndSpool();
  await stack.killWorkers();
  await stack.redis.del('{darkroom}:spool-copies');
  await s3.clearFaults();
  await stack.stack.addWorker({ SPOOL_DIR: join(stack.directory, 'spool-elsewhere') });
  expect(await stack.api.job(id)).toMatchObject({ status: 'in_progress' });
  await setUntil(id, Date.now() - 1);
  const lost = await stack.api.ended(id);
  expect(lost).toMatchObject({ status: 'failed', error: { code: 'result_lost' } });
  expect(lost.error?.message).toMatch(/paid.*spool of host [0-9a-f-]{36}/);
  expect(lost.usage.cost_usd).toBeGreaterThan(0);
  await stack.replaceWorkers({});
  await until('what was lost is in storage', async () => (await spoolFiles()).length === 0);
  expect((await stack.api.request('POST', `/v1/jobs/${id}/retry`)).status).toBe(202);
  await expectOnePurchase(id);
});

/** As if time had passed. */
async function setUntil(id: string, ms: number): Promise<void> {
  const field = 'attempt:0.1';
  const row = JSON.parse((await stack.redis.hget(`{darkroom}:job:${id}`, field)) ?? '{}') as { spooled: object };
  row.spooled = { ...row.spooled, until: ms };
  await stack.redis.hset(`{darkroom}:job:${id}`, field, JSON.stringify(row));
  await stack.redis.zadd('{darkroom}:spooled', ms, `${id} 0 1`);
}

test('with no room in the spool no call starts; with room it does', async () => {
  const worker = await stack.replaceWorkers({ SPOOL_MAX_BYTES: '4000000' });
  await stack.redis.hset(await roomKey(), 'another-process', `3999999 ${Date.now() + 3_600_000}`);
  const { id } = await stack.api.submit({ model: 'gpt-image-2' });
  await worker.line(/no room in the spool/);
  expect(await sent()).toBe(0);
  // Also the room of workers killed before, which would be theirs for 45 s more.
  await stack.redis.del(await roomKey());
  await expectOnePurchase(id);
});

async function roomKey(): Promise<string> {
  return `{darkroom}:spool-room:${await readFile(join(stack.directory, 'spool', 'host-id'), 'utf8')}`;
}
