import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { newBatchId } from '../base/ids.ts';
import { keysOf } from '../base/keys.ts';
import type { BatchSpec } from './record.ts';
import { type BatchSteps, createBatch, moveBatch, retryBatch } from './steps.ts';
import { readBatch } from './store.ts';
import { noteMade, noteUnmade, readUnmade } from './unmade-lines.ts';

const SPEC: BatchSpec = {
  account: 'acme',
  endpoint: null,
  inputFileId: null,
  inputKey: 'files/acme/file-1',
  completionWindow: '24h',
  windowMs: 86_400_000,
  onInvalid: 'skip',
  priority: 'normal',
  metadata: {},
  webhook: null,
};
const PROBLEM = { message: 'gone', type: 'invalid_request_error', param: 'body.images[0]', code: 'file_not_found' };

let server: TestRedis;
let steps: BatchSteps;
let id: string;

beforeAll(async () => {
  server = await openTestRedis();
  steps = { redis: server.redis, keys: keysOf(server.prefix), retentionMs: 3_600_000 };
});
afterAll(() => server.close());
beforeEach(async () => {
  id = newBatchId();
  await createBatch(steps, id, SPEC, null);
  await moveBatch(steps, { id, run: 1 }, 'validating', 'in_progress', { total: 3 });
});

const failed = async () => (await readBatch(steps.redis, steps.keys, id))?.failed;

test('a refused line counts as failed once in a run, with its newest problems', async () => {
  await noteUnmade(steps, { id, run: 1 }, 2, [PROBLEM, PROBLEM]);
  await noteUnmade(steps, { id, run: 1 }, 2, [PROBLEM]);
  expect(await failed()).toBe(1);
  expect(await readUnmade(steps, id, [1, 2, 3])).toEqual(new Map([[2, [PROBLEM]]]));
});

test('a line the batch took no more jobs for has no problems and does not count', async () => {
  await noteUnmade(steps, { id, run: 1 }, 1, []);
  expect(await failed()).toBe(0);
  expect(await readUnmade(steps, id, [1])).toEqual(new Map([[1, []]]));
});

test('a line that is made after all is forgotten, and its count with it', async () => {
  await noteUnmade(steps, { id, run: 1 }, 2, [PROBLEM]);
  expect(await noteMade(steps, { id, run: 1 }, 2)).toBe(true);
  expect(await noteMade(steps, { id, run: 1 }, 2)).toBe(false);
  expect(await failed()).toBe(0);
  expect(await readUnmade(steps, id, [2])).toEqual(new Map());
});

test('notes live as long as their batch, outlast a retry, and count anew in the next run', async () => {
  await noteUnmade(steps, { id, run: 1 }, 1, [PROBLEM]);
  await noteUnmade(steps, { id, run: 1 }, 2, [PROBLEM]);
  await moveBatch(steps, { id, run: 1 }, 'in_progress', 'completed');
  expect(await steps.redis.pttl(steps.keys.batchUnmade(id))).toBeGreaterThan(3_500_000);
  expect(await retryBatch(steps, (await readBatch(steps.redis, steps.keys, id)) ?? expect.fail())).toBe('retried');
  expect(await steps.redis.pttl(steps.keys.batchUnmade(id))).toBe(-1);
  expect(await failed()).toBe(0);
  await noteMade(steps, { id, run: 2 }, 1);
  await noteUnmade(steps, { id, run: 2 }, 2, [PROBLEM]);
  expect(await failed()).toBe(1);
});

test('nothing is noted for a batch that is not there', async () => {
  const other = newBatchId();
  await noteUnmade(steps, { id: other, run: 1 }, 1, [PROBLEM]);
  expect(await steps.redis.exists(steps.keys.batchUnmade(other))).toBe(0);
});
