// A process loses the item of a call it has sent, and takes it up again itself while the reply is still to come.
import { itemIdOf, newJobId } from '@darkroom/shared/base/ids.ts';
import { hasEnded } from '@darkroom/shared/jobs/record.ts';
import { submitSpec } from '@darkroom/shared/jobs/submit.ts';
import { TEST_SPEC } from '@darkroom/shared/jobs/test-spec.ts';
import { itemLockKey } from '@darkroom/shared/queues/call-queue.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ACCOUNT, openWorkerBench, type WorkerBench } from '../testing/worker-bench.ts';

const LOCK_MS = 1_000;
const POLL = { timeout: 20_000, interval: 20 };
let bench: WorkerBench;

beforeAll(async () => {
  bench = await openWorkerBench({ LOCK_DURATION_MS: String(LOCK_MS) });
});
beforeEach(() => bench.upstream.reset());
afterAll(() => bench.close());

test.each(['retry', 'fail'] as const)(
  'with on_unknown: %s its call is sent once, and its answer is recorded',
  async (onUnknown) => {
    const { deps, upstream } = bench;
    await upstream.control('POST', '/faults', { kind: 'latency', params: { ms: 6 * LOCK_MS } });
    const spec = { ...TEST_SPEC, account: ACCOUNT, onUnknown };
    const { id } = await submitSpec(deps.submit, newJobId(), spec, null);
    await expect.poll(async () => (await upstream.ledger()).requests.length, POLL).toBe(1);
    // Another worker has it, and dies.
    const lock = itemLockKey(deps.keys, spec.lane, itemIdOf(id, 0, 1));
    const first = await deps.redis.get(lock);
    await deps.redis.set(lock, 'another', 'PX', LOCK_MS);
    await expect.poll(async () => ['another', first, null].includes(await deps.redis.get(lock)), POLL).toBe(false);
    const job = await bench.untilJob(id, hasEnded);
    expect(job).toMatchObject({ status: 'completed', attempts: [{ seq: 1, outcome: 'succeeded' }] });
    expect((await upstream.ledger()).requests).toHaveLength(1);
    expect(deps.underWay.names).toEqual([]);
  },
);
