import { batchJobIdOf } from '@darkroom/shared/base/ids.ts';
import { listBatchJobs } from '@darkroom/shared/batches/jobs.ts';
import { retryBatch } from '@darkroom/shared/batches/steps.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openWorkerBench, type WorkerBench } from '../../testing/worker-bench.ts';

const LINE = [
  '/v1/images/generations',
  { model: 'gpt-image-2.6-flare', quality: 'low', size: '1024x1024', prompt: 'winter' },
] as const;

let bench: WorkerBench;

beforeAll(async () => {
  bench = await openWorkerBench();
});
afterAll(() => bench.close());
beforeEach(() => bench.upstream.reset());

test('a batch with a job whose record cannot be read ends, and says so in its error file', async () => {
  const id = await bench.submitBatch([LINE, LINE]);
  await bench.untilBatch(id, 'completed');
  const { redis, keys } = bench.deps;
  await redis.hset(keys.job(batchJobIdOf(id, 1)), 'image:0', '{"index":');
  await redis.hset(keys.batch(id), 'status', 'finalizing');
  await redis.zadd(keys.openBatches, 1, id);
  const ended = await bench.untilBatch(id, 'completed');
  expect(ended).toMatchObject({ total: 2, completed: 1, failed: 1 });
  expect(await bench.readFile(ended.outputFileId)).toMatchObject([{ custom_id: '2', response: { status_code: 200 } }]);
  expect(await bench.readFile(ended.errorFileId)).toMatchObject([
    {
      custom_id: '1',
      response: { status_code: 500, body: { error: { type: 'server_error', code: 'internal_error' } } },
    },
  ]);
});

test('a batch whose input vanishes buys nothing more, keeps what it has paid for, and says so', async () => {
  await bench.upstream.control('POST', '/faults', { kind: 'latency', params: { ms: 500 } });
  const id = await bench.submitBatch(Array.from({ length: 300 }, () => LINE));
  const { redis, keys, store } = bench.deps;
  await expect.poll(async () => (await bench.batch(id)).images, { timeout: 20_000 }).toBeGreaterThan(0);
  await store.delete((await bench.batch(id)).spec.inputKey);
  await redis.hset(keys.batch(id), 'cursorByte', 0); // as after a restart: it is opened anew
  const ended = await bench.untilBatch(id, 'failed');
  expect(ended.problems).toMatchObject([{ code: 'input_file_gone', param: 'input_file_id' }]);
  expect(await redis.scard(keys.batchOpenJobs(id))).toBe(0);
  const bought = (await bench.upstream.ledger()).images.length;
  expect([bought, ended.images]).toEqual([ended.images, bought]);
  expect(bought).toBeLessThan(300);
  expect(await redis.pttl(keys.job(batchJobIdOf(id, 1)))).toBeGreaterThan(0);
});

test('lines whose jobs were made before their worker died are listed, kept, and run again by a retry', async () => {
  await bench.upstream.control('POST', '/faults', { kind: 'moderation_input', count: 1 });
  const id = await bench.submitBatch([LINE, LINE]);
  await bench.untilBatch(id, 'completed');
  const { redis, keys, batchSteps } = bench.deps;
  // The jobs were made, and the worker died before it could note that the lines were fed.
  await redis.hset(keys.batch(id), 'fedLine', 0);
  const batch = await bench.batch(id);
  expect(batch).toMatchObject({ completed: 1, failed: 1 });
  const listed = await listBatchJobs(redis, keys, batch, 10, null, () => expect.fail());
  expect(listed.jobs.map((job) => job.id)).toEqual([1, 2].map((line) => batchJobIdOf(id, line)));
  expect(await retryBatch(batchSteps, batch)).toBe('retried');
  expect(await bench.untilBatch(id, 'completed')).toMatchObject({ run: 2, completed: 2, failed: 0 });
  expect((await bench.upstream.ledger()).images).toHaveLength(2);
});
