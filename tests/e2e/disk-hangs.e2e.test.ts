// A disk that hangs, as a network mount does whose server is away: what is asked of it is never answered, and each question keeps
// one of the threads that a process has for files. The spool, on another disk, must still get its own.
import { execFileSync } from 'node:child_process';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectImagesToBeWhole } from '../support/images.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

/** More than libuv's four threads. */
const JOBS = 16;
let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ env: { LOCK_DURATION_MS: '3000' } });
});
afterAll(async () => {
  // A process does not end by itself while its threads hang.
  await stack.killWorkers();
  await stack.stop();
});

/** Whoever opens a pipe to read it waits until somebody writes. Returns how to end that. */
async function hangAtMark(): Promise<() => Promise<void>> {
  const mark = join(stack.directory, 'images', 'darkroom.json');
  await rename(mark, `${mark}.kept`);
  execFileSync('mkfifo', [mark]);
  return async () => {
    await rm(mark);
    await rename(`${mark}.kept`, mark);
  };
}

async function spoolFiles(): Promise<string[]> {
  return (await readdir(join(stack.directory, 'spool'))).filter((name) => name.endsWith('.spool'));
}

test('paid answers get into the spool while every put hangs, and none is bought again after a crash', async () => {
  await stack.simulator.fault('latency', { count: JOBS, params: { ms: 5_000 } });
  const jobs = await Promise.all(Array.from({ length: JOBS }, () => stack.api.submit()));
  await until('all calls are upstream', async () => (await stack.simulator.ledger()).requests.length === JOBS);
  const mend = await hangAtMark();
  await until('all answers are spooled', async () => (await spoolFiles()).length === JOBS);
  await stack.killWorkers();
  await mend();
  await stack.stack.addWorker();
  for (const { id } of jobs) {
    const job = await stack.api.ended(id, 60_000);
    expect(job).toMatchObject({ status: 'completed', usage: { possible_extra_cost_usd: 0 } });
    await expectImagesToBeWhole(stack, job);
  }
  expect((await stack.simulator.ledger()).images).toHaveLength(JOBS);
});
