import { batchJobIdOf } from '@darkroom/shared/base/ids.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
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
