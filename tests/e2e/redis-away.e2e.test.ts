// Redis is away for longer than the lock of an item lasts, while its call is upstream and every worker lives.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { expectImagesToBeWhole } from '../support/images.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const LOCK_MS = 2_000;
/** From when Redis is back on until the reply comes: lost items are looked for within that time. */
const REST_MS = 4 * LOCK_MS;
let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ workers: 0, env: { LOCK_DURATION_MS: String(LOCK_MS) } });
});
beforeEach(async () => {
  await stack.killWorkers();
  await stack.reset();
});
afterAll(() => stack.stop());

async function submitAndFreeze(extra: Readonly<Record<string, unknown>>): Promise<string> {
  await stack.simulator.fault('latency', { params: { ms: 2 * LOCK_MS + REST_MS } });
  const { id } = await stack.api.submit({}, extra);
  await until('its call is upstream', async () => (await stack.simulator.ledger()).requests.length === 1);
  const since = performance.now();
  stack.redisProcess().signal('SIGSTOP');
  await until('no lock can hold any more', () => performance.now() - since > 1.5 * LOCK_MS);
  stack.redisProcess().signal('SIGCONT');
  return id;
}

test.each([
  [1, {}],
  [2, {}],
  [2, { on_unknown: 'fail' }],
])('with %i workers and %o the call is bought once', async (workers, extra) => {
  for (let count = 0; count < workers; count += 1) await stack.stack.addWorker();
  const id = await submitAndFreeze(extra);
  const job = await stack.api.ended(id, 60_000);
  expect(job).toMatchObject({ status: 'completed', usage: { possible_extra_cost_usd: 0 } });
  await expectImagesToBeWhole(stack, job);
  expect(await stack.api.attempts(id)).toMatchObject([{ outcome: 'succeeded' }]);
  expect((await stack.simulator.ledger()).requests).toHaveLength(1);
});
