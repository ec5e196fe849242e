// A system in good order has no problems; each thing that is damaged by hand is found, and nothing else.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { newBatchId, newFileId } from '@darkroom/shared/base/ids.ts';
import type { BatchSpec } from '@darkroom/shared/batches/record.ts';
import { createBatch, moveBatch } from '@darkroom/shared/batches/steps.ts';
import { createFile } from '@darkroom/shared/files/file-store.ts';
import { fileKey, inputKey } from '@darkroom/shared/images/keys.ts';
import { openStore } from '@darkroom/shared/images/open-store.ts';
import type { ImageStore } from '@darkroom/shared/images/store.ts';
import { keepInputs } from '@darkroom/shared/inputs/steps.ts';
import type { InputFacts } from '@darkroom/shared/requests/inputs.ts';
import { TERMINAL_JOB_EVENTS } from '@darkroom/shared/requests/webhook.ts';
import { startS3 } from '@darkroom/simulator/s3/server.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AuditOptions, auditSystem } from './audit.ts';
import type { Finding } from './findings.ts';
import type { Report } from './report.ts';
import { COST_MICRO_USD, type LiveSystem, openLiveSystem } from './testing/live-system.ts';

const PNG = { contentType: 'image/png' };
const SHA = 'ab'.repeat(32);
const LONG_AGO_MS = 2 * 3_600_000;
const HOST = 'hooks.example.com';
const WEBHOOK = { url: `https://${HOST}/hook`, events: TERMINAL_JOB_EVENTS };

let system: LiveSystem;
let folder: string;

async function openDisk(): Promise<ImageStore> {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-audit-'));
  return openStore({ url: `file:${folder}` });
}

beforeEach(async () => {
  system = await openLiveSystem(openDisk);
});

afterEach(async () => {
  await system.close();
  await rm(folder, { recursive: true, force: true });
});

function audit(options: Partial<AuditOptions> = {}): Promise<Report> {
  const { server, keys, store } = system;
  return auditSystem({ redis: server.redis, keys, store, options: { settleMs: 1, ...options } });
}

/** What was found, as `kind subject detail`, problems alone. */
async function problems(options: Partial<AuditOptions> = {}): Promise<string[]> {
  return sentencesOf(await audit(options), true);
}

function sentencesOf({ kinds }: Report, isProblem: boolean): string[] {
  return kinds
    .filter((kind) => kind.isProblem === isProblem)
    .flatMap(({ findings }) => findings)
    .map(({ kind, subject, detail }: Finding) => `${kind} ${subject} ${detail}`.trim());
}

/** A batch that runs, with as many lines. */
async function batchOf(lines: number): Promise<string> {
  const id = newBatchId();
  const file = await createFile(
    { redis: system.server.redis, keys: system.keys, store: system.store },
    {
      account: 'acme',
      purpose: 'batch',
      filename: 'lines.jsonl',
      contentType: 'application/jsonl',
      body: Readable.from([Buffer.from('{}')]),
      maxBytes: 100,
    },
  );
  const spec: BatchSpec = {
    account: 'acme',
    endpoint: null,
    inputFileId: file.id,
    inputKey: file.key,
    completionWindow: '24h',
    windowMs: 86_400_000,
    onInvalid: 'skip',
    priority: 'normal',
    metadata: {},
    webhook: null,
  };
  await createBatch(system.steps, id, spec, null);
  await moveBatch(system.steps, { id, run: 1 }, 'validating', 'in_progress', { total: lines, fedLine: lines });
  return id;
}

function lineOf(batchId: string, line: number): string {
  return `${batchId.replace('batch_', 'job_')}-${line}`;
}

/** Not DUMP: a hash or set that Redis is just rehashing has its fields in another order each time. */
async function contentOf(key: string): Promise<string> {
  const { redis } = system.server;
  const reads: Readonly<Record<string, () => Promise<unknown>>> = {
    hash: async () =>
      Object.entries(await redis.hgetall(key))
        .map(([field, value]) => `${field} ${value}`)
        .sort(),
    set: async () => (await redis.smembers(key)).sort(),
    zset: () => redis.zrange(key, '0', '-1', 'WITHSCORES'),
    stream: () => redis.xrange(key, '-', '+'),
    list: () => redis.lrange(key, 0, -1),
    string: () => redis.get(key),
  };
  const type = await redis.type(key);
  const read = reads[type];
  if (read === undefined) throw new Error(`${key} is a ${type}`);
  return JSON.stringify(await read());
}

describe('a system in good order', () => {
  test('has no problems, and every book is counted', async () => {
    await system.run();
    await system.run({ webhook: WEBHOOK });
    const waiting = await system.submit({ calls: [[0], [1]] });
    const underWay = await system.submit();
    await system.send(underWay);
    const failed = await system.submit();
    await system.finish(failed, await system.send(failed), { code: 'moderation_blocked' });
    const batch = await batchOf(3);
    await system.run({ batchId: batch }, lineOf(batch, 1));
    await system.submit({ batchId: batch }, lineOf(batch, 2));
    const report = await audit({ deep: true });
    expect(report.kinds).toEqual([]);
    expect(report.problems).toBe(0);
    expect(report.looked).toEqual({ jobs: 7, images: 3, attempts: 5, batches: 1, files: 1, deliveries: 0 });
    expect(report.money).toMatchObject({ billedMicroUsd: 3 * COST_MICRO_USD, possibleExtraMicroUsd: 0 });
    expect(waiting).toMatch(/^job_/);
  });

  test('stays as it was: nothing is written', async () => {
    await system.run();
    const dump = async (): Promise<string[]> => {
      const keys = (await system.server.redis.keys(`*${system.server.prefix}*`)).sort();
      const values = await Promise.all(keys.map(contentOf));
      return keys.map((key, index) => `${key} ${values[index]}`);
    };
    const objects = () => Array.fromAsync(system.store.listObjects(''));
    const before = [await dump(), await objects()];
    await audit({ deep: true });
    expect([await dump(), await objects()]).toEqual(before);
  });

  test('is in good order on S3 too', async () => {
    await system.close();
    const s3 = await startS3({});
    const url = 's3://darkroom/here';
    const credentials = { accessKeyId: 'simulator', secretAccessKey: 'simulator-secret' };
    system = await openLiveSystem(() => openStore({ url, endpoint: s3.url, forcePathStyle: true, credentials }));
    try {
      const lost = await system.run();
      await system.run();
      expect(await problems({ deep: true })).toEqual([]);
      await system.store.delete(`images/acme/${lost}/0.png`);
      expect(await problems()).toEqual([`image_missing ${lost} image 0`]);
    } finally {
      await s3.close();
    }
  });
});

describe('an image', () => {
  test('that is recorded and not in storage is found', async () => {
    const job = await system.run();
    await system.run();
    await system.store.delete(`images/acme/${job}/0.png`);
    expect(await problems()).toEqual([`image_missing ${job} image 0`]);
  });

  test('of another size is found, of other bytes by --deep', async () => {
    const [cut, other] = [await system.run(), await system.run()];
    const size = (await system.store.head(`images/acme/${other}/0.png`))?.bytes ?? 0;
    await system.store.put(`images/acme/${cut}/0.png`, Buffer.from('cut'), PNG);
    await system.store.put(`images/acme/${other}/0.png`, Buffer.alloc(size, 'x'), PNG);
    const isCut = `image_differs ${cut} image 0 has 3 bytes, recorded are ${size}`;
    expect(await problems()).toEqual([isCut]);
    expect((await problems({ deep: true })).sort()).toEqual(
      [isCut, `image_differs ${other} image 0 has another SHA-256`].sort(),
    );
  });

  test('in storage that its job does not list is found, unless its call is still open', async () => {
    const failed = await system.submit();
    const seq = await system.send(failed);
    await system.put(failed);
    expect(await problems()).toEqual([]);
    await system.finish(failed, seq, { code: 'moderation_blocked' });
    expect((await problems()).sort()).toEqual([
      `image_unlisted ${failed} images/acme/${failed}/0.png`,
      `image_unlisted ${failed} images/acme/${failed}/0.png.json`,
    ]);
  });

  test('of a job without a record is a problem while that must be kept, else a note', async () => {
    const young = await system.submit();
    const [, old] = [await system.put(young), 'job_01aaaaaaaaaaaaaaaaaaaaaaaa'];
    await system.put(old);
    await system.run();
    await system.server.redis.del(system.keys.job(young));
    await system.server.redis.zrem(system.keys.openJobs, young);
    await system.server.redis.del(system.keys.lane('gpt-image-2'));
    const report = await audit();
    expect(report.looked.jobs).toBe(1);
    expect(sentencesOf(report, true)).toEqual([`image_without_job ${young} account acme, 2 objects`]);
    expect(sentencesOf(report, false)).toEqual([`image_retention_over ${old} account acme, 2 objects`]);
  });
});

describe('a paid attempt', () => {
  test('whose image nobody has is found', async () => {
    const job = await system.run();
    await system.server.redis.hdel(system.keys.job(job), 'image:0');
    await system.damage(job, 'state', (state) => Object.assign(state, { images: 0, status: 'failed' }));
    const found = await problems();
    expect(found).toContain(`paid_image_missing ${job} image 0, attempt 0.1`);
    expect(found).toContain(`image_unlisted ${job} images/acme/${job}/0.png`);
  });

  test('whose image was reported lost is a note', async () => {
    const job = await system.submit();
    const seq = await system.send(job);
    await system.answer(job, seq);
    await system.finish(job, seq, { code: 'result_lost' });
    await system.damage(job, 'attempt:0.1', (row) => Object.assign(row, { outcome: 'succeeded' }));
    const report = await audit();
    expect(sentencesOf(report, true)).toEqual([]);
    expect(sentencesOf(report, false)).toEqual([`paid_image_lost ${job} image 0, attempt 0.1`]);
  });

  test('that follows another paid one is found, or noted when the first shows why', async () => {
    const job = await system.submit();
    await system.answer(job, await system.send(job));
    const second = await system.send(job); // the first is closed: its worker was lost
    await system.answer(job, second);
    await system.finish(job, second, [await system.put(job)]);
    const flagged = await audit();
    expect(sentencesOf(flagged, true)).toEqual([]);
    expect(sentencesOf(flagged, false)).toEqual([`bought_twice_flagged ${job} image 0, attempt 0.2`]);
    expect(flagged.money.billedMicroUsd).toBe(2 * COST_MICRO_USD);
    await system.damage(job, 'attempt:0.1', (row) => delete row['code']);
    expect(await problems()).toEqual([`bought_twice ${job} image 0, attempt 0.2`]);
  });

  test('that is spooled must stand on the list, and be in time', async () => {
    const job = await system.submit();
    const seq = await system.send(job);
    await system.answer(job, seq);
    const waits = (until: number) => ({ spooled: { until, host: 'host', images: 1 } });
    await system.damage(job, 'attempt:0.1', (row) => Object.assign(row, waits(Date.now() + 60_000)));
    await system.damage(job, 'call:0', (call) => Object.assign(call, { spooled: 1 }));
    expect(await problems()).toEqual([`spool_books ${job} attempt 0.1 is not on the list of spooled answers`]);
    await system.server.redis.zadd(system.keys.spooled, Date.now(), `${job} 0 1`);
    expect(await problems()).toEqual([]);
    await system.damage(job, 'attempt:0.1', (row) => Object.assign(row, waits(Date.now() - LONG_AGO_MS)));
    expect(await problems()).toEqual([`spool_books ${job} attempt 0.1 is past its time`]);
    await system.server.redis.zadd(system.keys.spooled, Date.now(), `${job} 0 9`);
    expect(await problems()).toContain(`spool_books ${job} attempt 0.9 is on the list and is not spooled`);
  });
});

describe('a job', () => {
  test('whose attempt is open longer than a call takes is found', async () => {
    const job = await system.submit();
    await system.send(job);
    await system.damage(job, 'attempt:0.1', (row) => Object.assign(row, { at: Date.now() - LONG_AGO_MS }));
    expect(await problems()).toEqual([`attempt_stale ${job} attempt 0.1`]);
    expect(await problems({ callTimeoutMs: 3 * LONG_AGO_MS })).toEqual([]);
  });

  test.each([
    ['left', 'left is 7, the rows say 0'],
    ['underWay', 'underWay is 7, the rows say 0'],
    ['images', 'images is 7, the rows say 1'],
  ])('whose counter %s is wrong is found', async (name, detail) => {
    const job = await system.run();
    await system.damage(job, 'state', (state) => Object.assign(state, { [name]: 7 }));
    expect(await problems()).toEqual([`job_counters ${job} ${detail}`]);
  });

  test('whose status its calls do not bear out is found, and one whose rows disagree', async () => {
    const [open, ended, rows] = [await system.submit(), await system.run(), await system.run()];
    await system.damage(open, 'state', (state) => Object.assign(state, { status: 'completed' }));
    await system.damage(ended, 'state', (state) => Object.assign(state, { status: 'failed' }));
    await system.damage(rows, 'attempt:0.1', (row) => Object.assign(row, { outcome: null }));
    expect((await problems()).sort()).toEqual(
      [
        `attempt_rows ${rows} attempt 0.1 is open, which its call does not know`,
        `job_end ${ended} is failed and has 1 of 1 images`,
        `job_end ${open} is completed, though 1 calls have no outcome`,
        `open_list ${open} has ended`,
      ].sort(),
    );
  });

  test('missing from a list, or on one it does not belong to, is found', async () => {
    const [open, ended, unlisted] = [await system.submit(), await system.run(), await system.run()];
    const { redis } = system.server;
    await redis.zrem(system.keys.openJobs, open);
    await redis.del(system.keys.lane('gpt-image-2'));
    await redis.zadd(system.keys.openJobs, 1, ended, 1, 'job_gone');
    await redis.zrem(system.keys.accountJobs('acme'), unlisted);
    expect((await problems()).sort()).toEqual(
      [
        `open_list ${open} is missing`,
        `open_list ${ended} has ended`,
        'open_list job_gone there is no such job',
        `job_unlisted ${unlisted} account acme`,
      ].sort(),
    );
  });

  test('past its time, and a call without an item, are found when they are not young', async () => {
    const [over, lost] = [await system.submit(), await system.submit({ calls: [[0], [1]] })];
    await system.queues.remove('gpt-image-2', [{ jobId: lost, call: 1, run: 1 }]);
    expect(await problems()).toEqual([]);
    const old = (state: Record<string, unknown>): void => {
      Object.assign(state, { createdAt: Date.now() - LONG_AGO_MS, expiresAt: Date.now() + 1 });
    };
    await system.damage(lost, 'state', old);
    await system.damage(over, 'state', (state) => Object.assign(state, { expiresAt: Date.now() - LONG_AGO_MS }));
    await system.damage(over, 'state', (state) => Object.assign(state, { createdAt: Date.now() - LONG_AGO_MS }));
    await system.damage(lost, 'spec', (spec) => Object.assign(spec, { expiresAfterSeconds: 7_200 }));
    expect((await problems()).sort()).toEqual(
      [`call_without_item ${lost} call 1`, `job_overdue ${over} call 0`].sort(),
    );
  });

  test('that cannot be read does not stop the audit', async () => {
    const job = await system.submit();
    await system.server.redis.hset(system.keys.job(job), 'state', '{"id":');
    await system.server.redis.del(system.keys.lane('gpt-image-2'));
    const other = await system.run();
    await system.store.delete(`images/acme/${other}/0.png`);
    expect((await problems()).sort()).toEqual([`image_missing ${other} image 0`, `record_unreadable ${job}`]);
  });

  test('whose input image is gone from storage is found', async () => {
    const image = { sha256: SHA, content_type: 'image/png', bytes: 5, width: 1, height: 1 };
    const job = await system.submit({ operation: 'edit', sentAs: 'edit', body: { images: [image] } });
    expect(await problems()).toEqual([`input_missing ${job} ${SHA}`]);
  });
});

describe('a lane', () => {
  test('that counts other open calls than its jobs have is found', async () => {
    await system.submit({ calls: [[0], [1]] });
    await system.server.redis.hincrby(system.keys.lane('gpt-image-2'), 'open', 3);
    expect(await problems()).toEqual(['lane_count gpt-image-2 all accounts: 5 are counted, 2 are open']);
  });
});

describe('a batch', () => {
  test('whose set, counters or cost its jobs do not bear out is found', async () => {
    const batch = await batchOf(2);
    const done = await system.run({ batchId: batch }, lineOf(batch, 1));
    await system.submit({ batchId: batch }, lineOf(batch, 2));
    expect(await problems()).toEqual([]);
    const { redis } = system.server;
    await redis.sadd(system.keys.batchOpenJobs(batch), done);
    await redis.hincrby(system.keys.batch(batch), 'completed', 1);
    await redis.hincrby(system.keys.batch(batch), 'costMicroUsd', 5);
    expect((await problems()).sort()).toEqual(
      [
        `batch_cost ${batch} cost, micro-USD, is ${COST_MICRO_USD + 5}, its jobs say ${COST_MICRO_USD}`,
        `batch_counts ${batch} completed is 2, its jobs say 1`,
        `batch_members ${batch} ${done} has ended`,
      ].sort(),
    );
  });

  test('missing from the open batches is found', async () => {
    const batch = await batchOf(1);
    await system.server.redis.zrem(system.keys.openBatches, batch);
    expect(await problems()).toEqual([`batch_unlisted ${batch} open batches`]);
  });
});

describe('files and input images', () => {
  test('without their bytes are found, bytes without a record are noted', async () => {
    const { server, keys, store } = system;
    const batch = await batchOf(1);
    const inputFile = await server.redis.hget(keys.batch(batch), 'spec');
    const { inputFileId } = JSON.parse(inputFile ?? '{}') as { inputFileId: string };
    await store.delete(fileKey('acme', inputFileId));
    const facts = { sha256: SHA, bytes: 5 } as InputFacts;
    await keepInputs({ redis: server.redis, keys }, 'acme', [{ sha256: SHA, facts }], Date.now() + LONG_AGO_MS);
    const orphan = fileKey('acme', newFileId());
    const orphanInput = inputKey('acme', 'cd'.repeat(32));
    for (const key of [orphan, orphanInput]) await store.put(key, Buffer.from('x'), PNG);
    const report = await audit();
    expect(sentencesOf(report, true)).toEqual([`file_missing ${inputFileId} is missing`]);
    expect(sentencesOf(report, false).sort()).toEqual(
      [
        `file_unrecorded ${orphan}`,
        `input_not_stored acme/${SHA} is missing`,
        `input_unrecorded ${orphanInput}`,
      ].sort(),
    );
    await server.redis.sadd(keys.inputFiles('acme', SHA), 'file-x');
    expect(await problems()).toContain(`input_missing acme/${SHA} is missing`);
  });
});

describe('events and webhooks', () => {
  test('that wait on no list, or for too long, are found', async () => {
    const { redis } = system.server;
    const job = await system.run({ webhook: WEBHOOK });
    expect(await problems()).toEqual([]);
    await system.damage(job, 'state', (state) => Object.assign(state, { finishedAt: Date.now() - LONG_AGO_MS }));
    expect(await problems()).toEqual([`outbox_stuck ${HOST} job.completed ${job} 1 3 -`]);
    await redis.zrem(system.keys.outbox, HOST);
    expect(await problems()).toEqual([`outbox_stuck ${HOST} is on no list`]);
  });

  test('pending and nowhere are found; due for long too, unless the host is away', async () => {
    const { redis } = system.server;
    await redis.hset(system.keys.delivery('evt_1'), { state: 'pending', host: HOST });
    expect(await problems()).toEqual([`delivery_lost evt_1 to ${HOST}`]);
    const receiver = system.keys.receiver(HOST);
    await redis.zadd(`${receiver}:waiting`, Date.now() - LONG_AGO_MS, 'evt_1');
    expect(await problems()).toEqual([`delivery_stuck ${HOST} is on no list`, `delivery_stuck ${HOST} waiting`]);
    await redis.zadd(system.keys.receivers, Date.now(), HOST);
    await redis.hset(receiver, 'failures', 3);
    const report = await audit();
    expect(sentencesOf(report, true)).toEqual([]);
    expect(sentencesOf(report, false)).toEqual([`delivery_waits ${HOST} waiting`]);
  });
});
