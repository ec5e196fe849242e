import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorkerBench, type WorkerBench } from '../testing/worker-bench.ts';
import { sweepLanes } from './sweep-lanes.ts';

const LANE = 'gpt-image-2';
let bench: WorkerBench;
beforeAll(async () => {
  bench = await openWorkerBench();
});
afterAll(() => bench.close());

async function upkeep(kind: string): Promise<number> {
  const { values } = await bench.deps.metrics.laneUpkeep.get();
  return values.find(({ labels }) => labels.kind === kind)?.value ?? 0;
}

test('books that nobody needs go, counters that drifted are right again, and one of several workers does it', async () => {
  const { redis, keys } = bench.deps;
  await redis.hset(keys.lane(LANE), { v: 900, base: 10, 'last:shop:i:normal': 904, calls: '2.0000' });
  await redis.hset(keys.lane('other'), { v: 5, open: 3, 'open:gone': 3, 'last:gone:b:low': 5 });
  await Promise.all([sweepLanes(bench.deps), sweepLanes(bench.deps), sweepLanes(bench.deps)]);
  expect(await redis.hgetall(keys.lane(LANE))).toEqual({ calls: '2.0000' });
  expect(await redis.hgetall(keys.lane('other'))).toEqual({ v: '5' });
  expect(await Promise.all(['cleared', 'flow_pruned', 'recounted'].map(upkeep))).toEqual([1, 2, 2]);
  await redis.hset(keys.lane(LANE), 'open', 7);
  await sweepLanes(bench.deps);
  expect(await redis.hget(keys.lane(LANE), 'open')).toBe('7');
});

test('priorities are counted from further on when the last one comes near', async () => {
  const { redis, keys, queues } = bench.deps;
  await redis.del(keys.sweepTurn('lanes'));
  await queues.queue(LANE).pause();
  await redis.hset(keys.lane(LANE), { v: 1_000_001, open: 1, 'open:shop': 1 });
  await queues.add(LANE, [{ jobId: 'job_x', call: 0, run: 1, tag: 1_000_005, priority: 1_000_005 }]);
  await sweepLanes(bench.deps);
  expect((await queues.queue(LANE).getJob('job_x-c0'))?.priority).toBe(5);
  expect(await upkeep('item_reordered')).toBe(1);
});
