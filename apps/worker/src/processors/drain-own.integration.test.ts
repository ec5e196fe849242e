// Spooled answers beside those of another installation, and with a Redis that does not know them: nobody puts aside what another
// Redis knows.
import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeAnswer, type SpooledAnswer } from '@darkroom/shared/images/spool-file.ts';
import { type AnswerId, noteSpooled } from '@darkroom/shared/jobs/spool-steps.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Deps } from '../deps.ts';
import { openSpoolBench, PIXEL, type SpoolBench } from '../testing/spool-bench.ts';
import { HOST_PATIENCE_MS } from './spool-answer.ts';

const WAIT = { timeout: 12_000, interval: 20 };
const FACTS = { costMicroUsd: 7, requestId: 'req_1' };
let bench: SpoolBench;
let other: TestRedis;
let one: Deps;

beforeEach(async () => {
  [bench, other] = [await openSpoolBench(), await openTestRedis()];
  one = await bench.host('host-1');
});
afterEach(async () => {
  await bench.close();
  await other.close();
});

function fileOf(id: AnswerId): SpooledAnswer {
  const images = [0, 1].map((index) => ({ index, revisedPrompt: null, bytes: PIXEL }));
  return { ...id, answeredAt: Date.now(), about: { facts: FACTS, waits: { images: 2 } }, images };
}

/** As a worker leaves it that could not store an answer. */
async function spool(deps: Deps): Promise<AnswerId> {
  const id = await bench.send(deps);
  await deps.spool.write(fileOf(id));
  const until = Date.now() + HOST_PATIENCE_MS;
  await noteSpooled(deps.steps, id, FACTS, { until, host: deps.spool.hostId, images: 2 });
  return id;
}

async function expectStored(id: AnswerId): Promise<void> {
  await vi.waitFor(async () => expect((await bench.job(id)).status).toBe('completed'), WAIT);
}

async function files(): Promise<string[]> {
  return (await readdir(one.config.SPOOL_DIR)).filter((name) => name.includes('.spool'));
}

const nameOf = ({ jobId }: AnswerId): string => `${jobId}.0.1.spool`;

test('a worker of another installation, or on a wrong Redis, leaves the answers alone and puts aside its own', async () => {
  const id = await spool(one);
  const stranger = await bench.host('host-1', other);
  const ofNoJob = { ...id, jobId: 'job_not_kept' };
  await stranger.spool.write(fileOf(ofNoJob));
  bench.drain(stranger);
  await vi.waitFor(async () => expect(await files()).toContain(`${nameOf(ofNoJob)}.bad`), WAIT);
  expect(await files()).toContain(nameOf(id));
  expect((await stranger.metrics.spoolAnswers.get()).values[0]?.value).toBeLessThan(2);
  bench.drain(one);
  await expectStored(id);
});

test('a Redis that was emptied under a worker, and is back: the answers are still there', async () => {
  const id = await spool(one);
  const keys = await one.redis.keys(`{${one.config.REDIS_PREFIX}}:*`);
  for (const key of keys) await one.redis.rename(key, `away:${key}`);
  const drainer = bench.drain(one);
  await drainer.firstLook;
  expect(await files()).toEqual([nameOf(id)]);
  for (const key of keys) await one.redis.rename(`away:${key}`, key);
  await expectStored(id);
});

test('an answer that lay there before files named their books is stored; without its job it is put aside', async () => {
  const id = await bench.send(one);
  const ofNoJob = { ...id, jobId: 'job_not_kept' };
  for (const each of [id, ofNoJob])
    await writeFile(join(one.config.SPOOL_DIR, nameOf(each)), Buffer.concat(encodeAnswer(fileOf(each))));
  bench.drain(one);
  await expectStored(id);
  await vi.waitFor(async () => expect(await files()).toEqual([`${nameOf(ofNoJob)}.bad`]), WAIT);
});

test('a file that was put aside is tried again under its old name', async () => {
  const id = await spool(one);
  await one.spool.putAside(id);
  const path = join(one.config.SPOOL_DIR, nameOf(id));
  bench.drain(one);
  await rename(`${path}.bad`, path);
  await expectStored(id);
  await vi.waitFor(async () => expect(await files()).toEqual([]), WAIT);
});
