// Other ends than a killed worker: an API that dies with its promises, queue items that vanish, a worker that freezes and
// comes back late.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { errorOf, hasEnded, submission } from '../support/api.ts';
import { expectImagesToBeWhole } from '../support/images.ts';
import { say } from '../support/say.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ env: { LOCK_DURATION_MS: '5000' } });
});
beforeEach(async () => {
  await stack.reset();
  await stack.ensureWorker();
});
afterAll(() => stack.stop());

async function untilSent(requests: number): Promise<void> {
  await until(`${requests} requests are upstream`, async () => {
    return (await stack.simulator.ledger()).requests.length === requests;
  });
}

function openJobs(): Promise<number> {
  return stack.redis.zcard('{darkroom}:open-jobs');
}

test('an API killed right after its 202 and while a client waits: the job is done, and found again', async () => {
  await stack.simulator.fault('latency', { params: { ms: 700 } });
  const { id } = await stack.api.submit({ model: 'dall-e-3', n: 2 });
  const waiting = stack.api.request('GET', `/v1/jobs/${id}?wait=30`).catch(() => 'cut off');
  await until('a client waits', () => stack.simulator.stats().then(({ inFlight }) => inFlight > 0));
  await stack.stack.api.kill();
  expect(await waiting).toBe('cut off');
  await until('the worker went on', async () => (await stack.simulator.ledger()).images.length === 2);
  await stack.stack.restartApi();
  const job = await stack.api.ended(id);
  expect(job.status).toBe('completed');
  expect((await stack.simulator.ledger()).requests).toHaveLength(2);
  await expectImagesToBeWhole(stack, job);
});

test('an API killed at the very moment of its 202s keeps every promise it made', async () => {
  const accepted: string[] = [];
  const flood = Array.from({ length: 40 }, async () => {
    const reply = await stack.api.submit().catch(() => null);
    if (reply !== null) accepted.push(reply.id);
    if (accepted.length === 5) stack.stack.api.signal('SIGKILL');
  });
  await Promise.all(flood);
  await stack.stack.api.kill();
  await stack.stack.restartApi();
  expect(accepted.length).toBeGreaterThanOrEqual(5);
  // A job whose queue items were never added is found by the sweep, 15 s after its making.
  const ended = await Promise.all(accepted.map((id) => stack.api.ended(id, 40_000)));
  expect(ended.map((job) => job.status)).toEqual(ended.map(() => 'completed'));
  await until('jobs recorded without an answer are done too', async () => (await openJobs()) === 0, 40_000);
  say(`${accepted.length} jobs were accepted before the API died; all completed`);
});

test('a job whose queue items were lost is found and done', async () => {
  await stack.killWorkers();
  const { id } = await stack.api.submit();
  const lost = await stack.redis.keys('{darkroom}:calls-*');
  await stack.redis.del(...lost);
  await stack.stack.addWorker();
  expect((await stack.api.ended(id, 40_000)).status).toBe('completed');
  expect((await stack.simulator.ledger()).images).toHaveLength(1);
});

test('a worker frozen past its lock answers late: delivered bytes stay what their record says', async () => {
  await stack.replaceWorkers({});
  const frozen = stack.worker;
  await stack.simulator.fault('latency', { count: 1, params: { ms: 1_500 } });
  const { id } = await stack.api.submit();
  await untilSent(1);
  frozen.signal('SIGSTOP');
  try {
    await stack.stack.addWorker();
    const job = await stack.api.ended(id, 30_000);
    expect(job.status).toBe('completed');
    expect((await stack.api.attempts(id)).map(({ outcome }) => outcome)).toEqual(['unknown', 'succeeded']);
    expect(job.usage.possible_extra_cost_usd).toBeGreaterThan(0);
    frozen.signal('SIGCONT');
    await until('the late answer is recorded', async () => {
      const [first] = await stack.api.attempts(id);
      return first?.outcome === 'succeeded';
    });
    const later = await stack.api.job(id);
    expect(hasEnded(later)).toBe(true);
    expect(later.images).toEqual(job.images.map((image) => expect.objectContaining({ sha256: image.sha256 })));
    await expectImagesToBeWhole(stack, later);
    expect(later.usage.possible_extra_cost_usd).toBe(0);
    const paid = (await stack.simulator.ledger()).images.reduce((sum, image) => sum + image.costUsd, 0);
    expect(later.usage.cost_usd).toBeCloseTo(paid, 6);
  } finally {
    frozen.signal('SIGCONT');
  }
});

test('a frozen worker’s late image of a call given up meanwhile is found by a retry, not bought again', async () => {
  await stack.replaceWorkers({ ON_UNKNOWN: 'fail' });
  const frozen = stack.worker;
  await stack.simulator.fault('latency', { count: 1, params: { ms: 1_500 } });
  const { id } = await stack.api.submit();
  await untilSent(1);
  frozen.signal('SIGSTOP');
  try {
    await stack.stack.addWorker({ ON_UNKNOWN: 'fail' });
    const job = await stack.api.ended(id, 30_000);
    expect(job).toMatchObject({ status: 'failed', images: [] });
    expect(job.usage.possible_extra_cost_usd).toBeGreaterThan(0);
  } finally {
    frozen.signal('SIGCONT');
  }
  await until('the late answer is recorded', async () => (await stack.api.attempts(id))[0]?.outcome === 'succeeded');
  const told = await stack.api.job(id);
  expect(told.usage.possible_extra_cost_usd).toBe(0);
  expect(told.usage.cost_usd).toBeGreaterThan(0);
  if (told.status !== 'completed') await stack.api.retry(id);
  const job = await stack.api.ended(id);
  expect(job.status).toBe('completed');
  expect((await stack.simulator.ledger()).images).toHaveLength(1);
  await expectImagesToBeWhole(stack, job);
});

test('a job cancelled while its worker is dead ends cancelled, with nothing bought again', async () => {
  await stack.simulator.fault('hang', { count: 1, params: { billed: true } });
  const { id } = await stack.api.submit();
  await untilSent(1);
  await stack.killWorkers();
  expect((await stack.api.cancel(id)).status).toBe('in_progress');
  await stack.stack.addWorker();
  const job = await stack.api.ended(id);
  expect(job).toMatchObject({ status: 'cancelled', images: [] });
  expect(job.usage.possible_extra_cost_usd).toBeGreaterThan(0);
  expect((await stack.simulator.ledger()).requests).toHaveLength(1);
});

test('with Redis away the API says 503 at once, and goes on by itself when it is back', async () => {
  const { id } = await stack.api.submit();
  await stack.api.ended(id);
  await stack.redisProcess().kill();
  for (const [method, path] of [
    ['POST', '/v1/jobs'],
    ['GET', `/v1/jobs/${id}`],
    ['GET', '/v1/jobs'],
    ['GET', '/readyz'],
  ] as const) {
    const asked = performance.now();
    const reply = await stack.api.request(method, path, method === 'POST' ? { body: submission() } : {});
    expect([path, reply.status, errorOf(reply).code]).toEqual([path, 503, 'unavailable']);
    expect(performance.now() - asked).toBeLessThan(3_000);
  }
  expect((await stack.api.request('GET', '/livez')).status).toBe(200);
  await stack.crashRedis();
  const back = await until('the API goes on', () => stack.api.submit());
  expect((await stack.api.ended(back.id)).status).toBe('completed');
  expect((await stack.api.job(id)).status).toBe('completed');
});
