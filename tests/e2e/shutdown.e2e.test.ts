// SIGTERM: what has been sent is finished, what has not is handed on, callers who wait are answered.
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { expectImagesToBeWhole } from '../support/images.ts';
import { say } from '../support/say.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ workers: 0, env: { LOCK_DURATION_MS: '5000' } });
});
beforeEach(async () => {
  await stack.killWorkers();
  await stack.reset();
});
afterAll(() => stack.stop());

async function untilSent(requests: number): Promise<void> {
  await until(`${requests} requests are upstream`, async () => {
    return (await stack.simulator.ledger()).requests.length === requests;
  });
}

describe('a worker', () => {
  test('that is idle exits with 0 at once', async () => {
    const worker = await stack.stack.addWorker();
    const asked = performance.now();
    worker.signal('SIGTERM');
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - asked).toBeLessThan(5_000);
  });

  test('finishes the calls it has sent, hands the sleepers back and exits with 0', async () => {
    // After the first call the bucket makes the others sleep in their slots, 4 s each.
    const limits = { 'gpt-image-2': { images_per_minute: 15, burst_seconds: 0 } };
    const worker = await stack.stack.addWorker({ LIMITS: JSON.stringify(limits), SHUTDOWN_TIMEOUT_MS: '20000' });
    await stack.simulator.fault('latency', { params: { ms: 1_500 } });
    const jobs = [await stack.api.submit()];
    await untilSent(1);
    jobs.push(await stack.api.submit(), await stack.api.submit());
    await until(
      'the others sleep or wait',
      async () => (await stack.redis.zcard('{darkroom}:leases:default:gpt-image-2')) > 1,
    );
    const asked = performance.now();
    worker.signal('SIGTERM');
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - asked).toBeLessThan(6_000);
    const states = await Promise.all(jobs.map(({ id }) => stack.api.job(id)));
    expect(states.map((job) => job.status)).toEqual(['completed', 'queued', 'queued']);
    expect((await stack.simulator.ledger()).requests).toHaveLength(1);

    // Handed back to their place in the queue, not left for the stalled check.
    const queue = '{darkroom}:calls-gpt-image-2';
    expect(await Promise.all([stack.redis.zcard(`${queue}:prioritized`), stack.redis.llen(`${queue}:active`)])).toEqual(
      [2, 0],
    );
    await stack.reset();
    await stack.stack.addWorker();
    const ended = await Promise.all(jobs.slice(1).map(({ id }) => stack.api.ended(id)));
    expect(ended.map((job) => job.status)).toEqual(['completed', 'completed']);
    for (const job of ended) {
      expect(await stack.api.attempts(job.id)).toHaveLength(1);
      await expectImagesToBeWhole(stack, job);
    }
  });

  test('with a hung call exits with 1 after SHUTDOWN_TIMEOUT_MS and names the attempt; it becomes unknown', async () => {
    const worker = await stack.stack.addWorker({ SHUTDOWN_TIMEOUT_MS: '500' });
    await stack.simulator.fault('hang', { count: 1 });
    const { id } = await stack.api.submit();
    await untilSent(1);
    worker.signal('SIGTERM');
    expect(await worker.exited).toEqual({ code: 1, signal: null });
    const named = worker.lines.filter((line) => line.includes('left open'));
    expect(named.join('\n')).toContain(`${id} call 0 attempt 1`);
    expect((await stack.api.job(id)).status).toBe('in_progress');
    await stack.stack.addWorker();
    const job = await stack.api.ended(id);
    expect(job.status).toBe('completed');
    expect((await stack.api.attempts(id)).map(({ outcome }) => outcome)).toEqual(['unknown', 'succeeded']);
    expect(job.usage.possible_extra_cost_usd).toBeGreaterThan(0);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('exits at once on a second %s', async (second) => {
    const worker = await stack.stack.addWorker({ SHUTDOWN_TIMEOUT_MS: '60000' });
    await stack.simulator.fault('hang', { count: 1 });
    const { id } = await stack.api.submit({}, { expires_after: 3600 });
    await untilSent(1);
    worker.signal('SIGTERM');
    await worker.line(/worker stops/);
    const asked = performance.now();
    worker.signal(second);
    expect((await worker.exited).code).toBe(1);
    expect(performance.now() - asked).toBeLessThan(5_000);
    await stack.api.cancel(id);
  });
});

describe('the API', () => {
  test('answers waiting callers at once with the job as it is, and exits with 0', async () => {
    const submitted = await stack.api.submit();
    const polled = stack.api.request('GET', `/v1/jobs/${submitted.id}?wait=60`);
    const preferred = stack.api.request('POST', '/v1/jobs', {
      body: { operation: 'generation', input: { model: 'gpt-image-2', prompt: 'waits' } },
      headers: { prefer: 'wait=60' },
    });
    await until(
      'both jobs are recorded',
      async () => (await stack.api.list('?status=queued&limit=2')).data.length === 2,
    );
    const api = stack.stack.api;
    const asked = performance.now();
    api.signal('SIGTERM');
    const [poll, post] = await Promise.all([polled, preferred]);
    expect(await api.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - asked).toBeLessThan(5_000);
    expect([poll.status, post.status]).toEqual([200, 202]);
    expect(poll.json).toMatchObject({ id: submitted.id, status: 'queued' });
    await stack.stack.restartApi();
    const worker = await stack.stack.addWorker();
    expect((await stack.api.ended(submitted.id)).status).toBe('completed');
    expect((await stack.api.ended((post.json as { id: string }).id)).status).toBe('completed');
    await worker.stop();
  });

  test('does not wait for a client that never reads its image', async () => {
    const worker = await stack.stack.addWorker();
    const job = await stack.api.run();
    await worker.stop();
    const url = new URL(job.images[0]?.url ?? '');
    const stuck = connect(Number(url.port), '127.0.0.1');
    stuck.pause().on('error', () => undefined);
    const request = `GET ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n\r\n`;
    stuck.write(request.repeat(40));
    const api = stack.stack.api;
    await until('the image is being sent', () => api.lines.some((line) => line.includes('/content')));
    try {
      const asked = performance.now();
      api.signal('SIGTERM');
      await until('the API has gone', () => api.lines.some((line) => line.includes('"stopped"')), 15_000);
      expect(await api.exited).toEqual({ code: 0, signal: null });
      say(`with a stuck reader the API was gone after ${Math.round(performance.now() - asked)} ms`);
    } finally {
      stuck.destroy();
      await api.exited;
      await stack.stack.restartApi();
    }
  });

  test('refuses to start with wrong variables, naming each', async () => {
    const wrong = { MODEL_POLICY: 'translat', IMAGE_URL_TTL: 'soon' };
    await stack.stack.api.stop();
    const failed = await stack.stack.restartApi(wrong).catch(String);
    await stack.stack.restartApi();
    expect(failed).toMatch(/MODEL_POLICY/);
    expect(failed).toMatch(/IMAGE_URL_TTL/);
  });
});
