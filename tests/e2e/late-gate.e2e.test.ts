// The paying gate was passed in time, but its answer is held up on the way until another worker has taken the call over:
// what was allowed then is not allowed any more.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inspectRedis } from '../chaos/proxy/redis-inspector.ts';
import { Scripts } from '../chaos/proxy/scripts.ts';
import { startTcpProxy, type TcpProxy } from '../chaos/proxy/tcp-proxy.ts';
import { expectImagesToBeWhole } from '../support/images.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;
let proxy: TcpProxy;
let isHeld = false;

beforeAll(async () => {
  stack = await startTestStack({ workers: 0, env: { LOCK_DURATION_MS: '3000' } });
  const target = { name: 'redis', port: Number(stack.redis.options.port) };
  const inspect = inspectRedis('late', new Scripts(), (point) => {
    const isGate = point.link === 'redis' && point.kind === 'answer' && point.step === 'begin-attempt';
    if (!isGate || isHeld) return false;
    isHeld = true;
    return true;
  });
  proxy = await startTcpProxy(() => target, inspect);
});
afterAll(async () => {
  await proxy.stop();
  await stack.stop();
});

test('an answer of the gate that comes when the lock may be another’s sends nothing: bought once', async () => {
  const late = await stack.stack.addWorker({ REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
  const { id } = await stack.api.submit();
  await until('the gate has answered', () => Promise.resolve(isHeld));
  proxy.freeze(true);
  await stack.stack.addWorker();
  const job = await stack.api.ended(id, 60_000);
  proxy.freeze(false);
  proxy.release();
  await late.line(/not sent: the lock of its item has run out/);
  expect((await stack.simulator.ledger()).requests).toHaveLength(1);
  expect(job.status).toBe('completed');
  await expectImagesToBeWhole(stack, job);
  await until('the first attempt shows that it was not sent', async () => {
    const [first] = await stack.api.attempts(id);
    return first?.code === 'lock_ran_out' && first.outcome === 'failed';
  });
  expect((await stack.api.job(id)).usage).toMatchObject({ possible_extra_cost_usd: 0 });
});
