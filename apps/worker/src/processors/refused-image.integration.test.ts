// A storage that is there and takes everything but the images of one job: a file lies where the job's folder would be.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { jobPrefix } from '@darkroom/shared/images/keys.ts';
import { encodeAnswer, type SpooledAnswer } from '@darkroom/shared/images/spool-file.ts';
import { StorageError } from '@darkroom/shared/images/store.ts';
import type { SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import { type AnswerId, keepCopy, listSpooled, noteSpooled } from '@darkroom/shared/jobs/spool-steps.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Deps } from '../deps.ts';
import { openSpoolBench, PIXEL, type SpoolBench, startLinkHost } from '../testing/spool-bench.ts';
import { askStorage } from './ask-storage.ts';
import { drainLocal } from './drain-spool.ts';
import { runCall } from './run-call.ts';
import { HOST_PATIENCE_MS } from './spool-answer.ts';

const WAIT = { timeout: 20_000, interval: 20 };
const FACTS = { costMicroUsd: 7, requestId: 'req_1' };
let bench: SpoolBench;
let one: Deps;

beforeEach(async () => {
  bench = await openSpoolBench();
  one = await bench.host('host-1');
});
afterEach(() => bench.close());

function fileOf(id: AnswerId): SpooledAnswer {
  const images = [0, 1].map((index) => ({ index, revisedPrompt: null, bytes: PIXEL }));
  return { ...id, answeredAt: Date.now(), about: { facts: FACTS, waits: { images: 2 } }, images };
}

/** As a worker leaves it that could not store an answer. */
async function spool(): Promise<AnswerId> {
  const id = await bench.send(one);
  await one.spool.write(fileOf(id));
  const row: SpooledAnswerRow = { until: Date.now() + HOST_PATIENCE_MS, host: one.spool.hostId, images: 2 };
  await noteSpooled(one.steps, id, FACTS, row);
  return id;
}

async function obstacleOf(id: AnswerId): Promise<string> {
  const { spec } = await bench.job(id);
  return join(bench.folder, 'images', jobPrefix(spec.account, id.jobId).slice(0, -1));
}

async function refuse(id: AnswerId): Promise<void> {
  const path = await obstacleOf(id);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, 'no folder');
}

async function until(id: AnswerId, status: string): Promise<void> {
  await vi.waitFor(async () => expect((await bench.job(id)).status).toBe(status), WAIT);
}

async function countOf(metric: 'spoolAnswersRefused' | 'storageErrors'): Promise<number> {
  return (await one.metrics[metric].get()).values[0]?.value ?? 0;
}

test('it stays in the spool behind the others, calls go on, and it is stored when the storage takes it', async () => {
  const refused = await spool();
  const other = await spool();
  await refuse(refused);
  one.breaker.trip('away');
  bench.drain(one);
  await until(other, 'completed');
  await one.breaker.untilClosed(AbortSignal.timeout(WAIT.timeout));
  expect([await one.spool.list(), await countOf('spoolAnswersRefused')]).toEqual([[refused], 1]);
  expect(await bench.job(refused)).toMatchObject({ status: 'in_progress', attempts: [{ outcome: null }] });
  await bench.setUntil(refused, Date.now() + 5_000);
  // Tried or not, its host says that it has it; and it opens no breaker again.
  await vi.waitFor(async () => {
    const [answer] = await listSpooled(one.steps, 1);
    expect(answer?.until).toBeGreaterThan(Date.now() + HOST_PATIENCE_MS - 60_000);
  }, WAIT);
  const before = await countOf('storageErrors');
  await vi.waitFor(async () => expect(await countOf('storageErrors')).toBeGreaterThan(before), WAIT);
  expect(one.breaker.isOpen).toBe(false);
  await rm(await obstacleOf(refused));
  await until(refused, 'completed');
  await vi.waitFor(async () => expect(await countOf('spoolAnswersRefused')).toBe(0), WAIT);
  expect(await one.spool.list()).toEqual([]);
}, 40_000);

test('its copy in Redis stops no other worker either', async () => {
  const refused = await spool();
  expect(await keepCopy(one.steps, refused, Buffer.concat(encodeAnswer(fileOf(refused))))).toBe(true);
  await refuse(refused);
  const two = await bench.host('host-2');
  two.breaker.trip('away');
  bench.drain(two);
  await two.breaker.untilClosed(AbortSignal.timeout(WAIT.timeout));
  expect((await bench.job(refused)).status).toBe('in_progress');
});

test('of an answer the images that are taken are recorded', async () => {
  const id = await spool();
  await refuse(id);
  const path = await obstacleOf(id);
  await rm(path);
  await mkdir(join(path, '0.png'), { recursive: true });
  expect(await drainLocal(one, id)).toBe('refused');
  const { images, status } = await bench.job(id);
  expect([[...images.keys()], status, one.breaker.isOpen]).toEqual([[1], 'in_progress', false]);
});

test('what its link leads to joins the spool', async () => {
  const links = await startLinkHost();
  try {
    const id = await bench.send(one);
    const end = new Date(Date.now() + 600_000).toISOString();
    const row: SpooledAnswerRow = {
      until: Date.parse(end),
      host: null,
      links: [0, 1].map((place) => `${links.url}/${place}?se=${end}`),
      images: 2,
    };
    await refuse(id);
    await noteSpooled(one.steps, id, FACTS, row);
    bench.drain(one);
    await vi.waitFor(async () => expect(await countOf('spoolAnswersRefused')).toBe(1), WAIT);
    expect([await one.spool.list(), links.asked, one.breaker.isOpen]).toEqual([[id], 2, false]);
  } finally {
    await links.stop();
  }
});

test('its call’s item buys nothing', async () => {
  const id = await bench.send(one);
  await one.spool.write(fileOf(id));
  await refuse(id);
  const lock = { token: 'token', heldUntil: () => Number.POSITIVE_INFINITY };
  const take = () => runCall(one, { jobId: id.jobId, call: 0, run: 1 }, lock, new AbortController().signal);
  expect([await take(), await take()]).toEqual([{ kind: 'storage-away' }, { kind: 'done' }]);
});

test('a storage without room is away, whatever a probe says', async () => {
  const full = new StorageError('full', null, { isFull: true });
  const about = { jobId: 'job_1', call: 0, seq: 1, index: 0, key: 'images/a' };
  const asked = await askStorage(one, about, () => Promise.reject(full));
  expect([asked, one.breaker.isOpen]).toEqual([{ kind: 'away', reason: 'full' }, true]);
});
