// A disk that hangs, as a network mount whose server is away: whoever opens the mark of the storage waits. The answers of this
// host are said to be here all the same.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, renameSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { MARK_KEY } from '@darkroom/shared/images/mark.ts';
import type { SpooledAnswer } from '@darkroom/shared/images/spool-file.ts';
import { type AnswerId, noteSpooled } from '@darkroom/shared/jobs/spool-steps.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Deps } from '../deps.ts';
import { openSpoolBench, PIXEL, type SpoolBench } from '../testing/spool-bench.ts';
import { HOST_PATIENCE_MS } from './spool-answer.ts';

const WAIT = { timeout: 15_000, interval: 20 };
const FACTS = { costMicroUsd: 7, requestId: 'req_1' };
/** Of libuv, for files. */
const THREADS = 4;
let bench: SpoolBench;
let one: Deps;
let hanging: { readonly mark: string; readonly fifo: string } | null = null;

beforeEach(async () => {
  bench = await openSpoolBench();
  one = await bench.host('host-1');
  await one.store.assertOurs();
});
afterEach(async () => {
  goOn();
  await bench.close();
});

/** Nothing here may need a thread: there may be none left. */
function hang(): void {
  const path = join(bench.folder, 'images', MARK_KEY);
  renameSync(path, `${path}.away`);
  execFileSync('mkfifo', [path]);
  hanging = { mark: `${path}.away`, fifo: path };
}

/** Those who wait for a writer have one; the mark is in its place again. */
function goOn(): void {
  if (hanging === null) return;
  const { mark, fifo } = hanging;
  hanging = null;
  const writer = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  renameSync(mark, fifo);
  closeSync(writer);
}

/** As a worker leaves it that could not store an answer. */
async function write(deps: Deps): Promise<AnswerId> {
  const id = await bench.send(deps);
  const images = [0, 1].map((index) => ({ index, revisedPrompt: null, bytes: PIXEL }));
  const about = { facts: FACTS, waits: { images: 2 } };
  const file: SpooledAnswer = { ...id, answeredAt: Date.now(), about, images };
  await deps.spool.write(file);
  return id;
}

async function spool(deps: Deps): Promise<AnswerId> {
  const id = await write(deps);
  await noteSpooled(deps.steps, id, FACTS, { until: Date.now() + 60_000, host: deps.spool.hostId, images: 2 });
  return id;
}

async function expectSaid(ids: readonly AnswerId[]): Promise<void> {
  await vi.waitFor(async () => {
    for (const id of ids) {
      const waits = (await bench.job(id)).attempts[0]?.spooled;
      expect(waits?.host).toBe(one.spool.hostId);
      expect(waits?.until).toBeGreaterThan(Date.now() + HOST_PATIENCE_MS - 60_000);
    }
  }, WAIT);
}

async function expectStored(ids: readonly AnswerId[]): Promise<void> {
  for (const id of ids) await vi.waitFor(async () => expect((await bench.job(id)).status).toBe('completed'), WAIT);
}

test('the answers are said to be here while the first look at the storage hangs, also those Redis knows nothing of', async () => {
  const ids = [await spool(one), await spool(one), await write(one)];
  hang();
  bench.drain(one);
  await expectSaid(ids);
  goOn();
  await expectStored(ids);
});

test('they are said to be here when what hangs has taken every thread for files', async () => {
  const ids = [await spool(one), await spool(one)];
  hang();
  bench.drain(one);
  await expectSaid(ids);
  const path = hanging?.fifo ?? '';
  const taken = Array.from({ length: THREADS }, async () => (await open(path, 'r')).close());
  for (const id of ids) await bench.setUntil(id, Date.now() + 60_000);
  await expectSaid(ids);
  goOn();
  await Promise.all(taken);
  await expectStored(ids);
});
