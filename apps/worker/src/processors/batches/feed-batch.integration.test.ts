import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorkerBench, type WorkerBench } from '../../testing/worker-bench.ts';
import { Feeder } from './feed-batch.ts';

const LINE = [
  '/v1/images/generations',
  { model: 'gpt-image-2.6-flare', quality: 'low', size: '1024x1024', prompt: 'winter' },
] as const;
const never = new AbortController().signal;

let bench: WorkerBench;

beforeAll(async () => {
  bench = await openWorkerBench();
});
afterAll(() => bench.close());

test('a batch opened again before its feeder is closed is fed from its first line on', async () => {
  const id = await bench.submitBatch([LINE, LINE]);
  const ended = await bench.untilBatch(id, 'completed');
  const feeder = new Feeder(bench.deps);
  const opened = { ...ended, cursor: { byte: 0, line: 0 } };
  expect(await feeder.feed(opened, never)).toBe(true);
  expect(await feeder.feed(await bench.batch(id), never)).toBe(false); // it has read to the end
  expect(await feeder.feed(opened, never)).toBe(true);
  await feeder.close();
});
