// Spooled answers that must not be forgotten: in a long outage, of replies that are half bytes and half links, and with a
// copy in Redis that can't be had.
import { rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeAnswer, type SpooledAnswer } from '@darkroom/shared/images/spool-file.ts';
import { noteAnswer } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import { type AnswerId, entryOf, keepCopy, listSpooled, noteSpooled } from '@darkroom/shared/jobs/spool-steps.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Deps } from '../deps.ts';
import { openSpoolBench, PIXEL, type SpoolBench, startLinkHost } from '../testing/spool-bench.ts';
import { storeImage } from './keep-image.ts';
import { HOST_PATIENCE_MS } from './spool-answer.ts';

const WAIT = { timeout: 12_000, interval: 20 };
const FACTS = { costMicroUsd: 7, requestId: 'req_1' };
let bench: SpoolBench;
let one: Deps;

beforeEach(async () => {
  bench = await openSpoolBench();
  one = await bench.host('host-1');
});
afterEach(() => bench.close());

function fileOf(id: AnswerId, indexes: readonly number[], waits: Partial<SpooledAnswerRow> = {}): SpooledAnswer {
  const images = indexes.map((index) => ({ index, revisedPrompt: null, bytes: PIXEL }));
  return { ...id, answeredAt: Date.now(), about: { facts: FACTS, waits: { images: 2, ...waits } }, images };
}

/** As a worker leaves it that could not store an answer. */
async function spool(deps: Deps, row: Partial<SpooledAnswerRow> = {}): Promise<AnswerId> {
  const id = await bench.send(deps);
  await deps.spool.write(fileOf(id, [0, 1]));
  await noteSpooled(deps.steps, id, FACTS, {
    until: Date.now() + HOST_PATIENCE_MS,
    host: deps.spool.hostId,
    images: 2,
    ...row,
  });
  return id;
}

async function expectEnd(id: AnswerId, status: string): Promise<void> {
  await vi.waitFor(async () => expect((await bench.job(id)).status).toBe(status), WAIT);
}

test('an outage longer than a host is waited for: every answer this host has is kept, not the oldest alone', async () => {
  const other = await bench.host('host-2');
  await bench.takeStorageAway();
  const ids = [await spool(one), await spool(one), await spool(one)];
  for (const id of ids) await bench.setUntil(id, Date.now() + 5_000);
  bench.drain(one);
  await vi.waitFor(async () => {
    const answers = await listSpooled(one.steps, 10);
    expect(answers).toHaveLength(3);
    for (const { until } of answers) expect(until).toBeGreaterThan(Date.now() + HOST_PATIENCE_MS - 60_000);
  }, WAIT);
  bench.drain(other);
  await bench.bringStorageBack();
  for (const id of ids) await expectEnd(id, 'completed');
});

test('an answer found on the disk while storage is away is noted at once, also behind others', async () => {
  await bench.takeStorageAway();
  await spool(one);
  const id = await bench.send(one);
  await one.spool.write(fileOf(id, [0, 1]));
  bench.drain(one);
  await vi.waitFor(async () => {
    expect((await bench.job(id)).attempts[0]?.spooled).toMatchObject({ host: one.spool.hostId });
  }, WAIT);
});

test('half bytes, half links: the links are followed once the bytes, of which there was a copy, are stored', async () => {
  const links = await startLinkHost();
  try {
    links.status = 503;
    const end = new Date(Date.now() + 600_000).toISOString();
    const id = await bench.send(one);
    const row: SpooledAnswerRow = {
      until: Date.now() + HOST_PATIENCE_MS,
      host: one.spool.hostId,
      links: [null, `${links.url}/1?se=${end}`],
      images: 2,
    };
    await noteAnswer(one.steps, id.jobId, 0, id.seq, FACTS, {
      row: { ...row, host: null },
      owner: 'a worker that died',
      leaseMs: 1,
    });
    const file = fileOf(id, [0], { links: row.links ?? [] });
    await one.spool.write(file);
    await noteSpooled(one.steps, id, FACTS, row);
    expect(await keepCopy(one.steps, id, Buffer.concat(encodeAnswer(file)))).toBe(true);
    bench.drain(one);
    await vi.waitFor(async () => expect((await bench.job(id)).images.size).toBe(1), WAIT);
    links.status = 200;
    await expectEnd(id, 'completed');
    expect(await one.redis.hlen(one.keys.spoolCopies)).toBe(0);
  } finally {
    await links.stop();
  }
});

test('a damaged file loses what was in it, not the links of the same answer', async () => {
  const links = await startLinkHost();
  try {
    const end = new Date(Date.now() + 600_000).toISOString();
    const waiting = { links: [null, `${links.url}/1?se=${end}`] };
    const id = await spool(one, waiting);
    await truncate(join(bench.folder, 'host-1', `${id.jobId}.0.${id.seq}.spool`), 10);
    bench.drain(one);
    await expectEnd(id, 'incomplete');
    const job = await bench.job(id);
    expect([...job.images.keys()]).toEqual([1]);
    expect(job.calls[0]?.error).toMatchObject({ code: 'result_lost' });
  } finally {
    await links.stop();
  }
});

test('a storage that can be read and not written is not back', async () => {
  const id = await bench.send(one);
  const image = { revisedPrompt: null, bytes: PIXEL };
  for (const index of [0, 1]) await storeImage(one, await bench.job(id), { ...FACTS, ...id }, { index, ...image });
  await one.spool.write(fileOf(id, [0, 1]));
  const temporary = join(bench.folder, 'images', '.tmp');
  await rename(temporary, `${temporary}.away`);
  await writeFile(temporary, 'no folder');
  one.breaker.trip('away');
  bench.drain(one);
  await expectEnd(id, 'completed');
  const failures = async () => (await one.metrics.storageErrors.get()).values[0]?.value;
  await vi.waitFor(async () => expect(await failures()).toBeGreaterThan(1), WAIT);
  expect(one.breaker.isOpen).toBe(true);
  await rm(temporary);
  await one.breaker.untilClosed(AbortSignal.timeout(WAIT.timeout));
});

test('a copy that was reserved and never written keeps nobody from giving up an answer whose host is gone', async () => {
  const id = await spool(one);
  await one.redis.hset(one.keys.spoolCopies, entryOf(id), 100);
  bench.drain(await bench.host('host-2'));
  await bench.setUntil(id, Date.now() - 1);
  await expectEnd(id, 'failed');
  expect((await bench.job(id)).calls[0]?.error).toMatchObject({ code: 'result_lost' });
});

test('a copy that can’t be read holds up neither other answers nor the breaker', async () => {
  const id = await spool(one);
  await keepCopy(one.steps, id, Buffer.from('of another version'));
  const two = await bench.host('host-2');
  two.breaker.trip('away');
  bench.drain(two);
  await two.breaker.untilClosed(AbortSignal.timeout(WAIT.timeout));
  bench.drain(one);
  await expectEnd(id, 'completed');
});
