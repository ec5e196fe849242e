// A worker is killed over a call, and then nothing can be sent: its upstream key is paused. Whatever needs no request is
// decided all the same, so that no job is kept open by an attempt nobody makes any more.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ env: { LOCK_DURATION_MS: '3000' } });
});
beforeEach(async () => {
  await stack.reset();
  await stack.replaceWorkers({}); // one that remembers no pause
});
afterAll(() => stack.stop());

/** A job whose call hung upstream when its worker was killed, and whose key had just been refused. */
async function lostBehindAPause(extra: Readonly<Record<string, unknown>> = {}): Promise<string> {
  await stack.simulator.fault('hang', { count: 1, params: { billed: true } });
  const { id } = await stack.api.submit({}, extra);
  await until('its call is upstream', async () => (await stack.simulator.ledger()).requests.length === 1);
  await stack.simulator.fault('invalid_api_key');
  const refused = await stack.api.submit({ model: 'gpt-image-2.6-flare' });
  await until('the key is paused', () => stack.redis.hexists('{darkroom}:upstream-key:default', 'paused'));
  await stack.api.cancel(refused.id);
  await stack.api.ended(refused.id);
  await stack.killWorkers();
  await stack.stack.addWorker();
  return id;
}

test('cancelled, it ends, and shows what the lost attempt may have cost', async () => {
  const id = await lostBehindAPause();
  await stack.api.cancel(id);
  const job = await stack.api.ended(id, 60_000);
  expect(job).toMatchObject({ status: 'cancelled', images: [] });
  expect(job.usage.possible_extra_cost_usd).toBeGreaterThan(0);
  expect(await stack.api.attempts(id)).toMatchObject([{ outcome: 'unknown', code: 'worker_lost' }]);
});

test('with on_unknown: fail it fails without waiting for the key', async () => {
  const id = await lostBehindAPause({ on_unknown: 'fail' });
  const job = await stack.api.ended(id, 60_000);
  expect(job).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } });
  expect(await stack.redis.hexists('{darkroom}:upstream-key:default', 'paused')).toBe(1);
});
