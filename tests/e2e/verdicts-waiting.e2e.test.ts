// The rows of contract section 5 in which a job waits: rate limits, a refused upstream key.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { FaultOptions } from '../support/simulator.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { checkVerdict, expectMoneyToAddUp, plainError } from '../support/verdict-row.ts';

let stack: TestStack;
/** Where the pause of the upstream key lies in Redis; no route shows it yet. */
const KEY = '{darkroom}:upstream-key:default';

beforeAll(async () => {
  stack = await startTestStack({ env: { MAX_ATTEMPTS: '1' } });
});
beforeEach(() => stack.reset());
afterAll(() => stack.stop());

describe('a rate limit costs no attempt and stops the bucket as told', () => {
  const WAIT_MS = 1_500;
  const rows: readonly { says: string; kind: string; params: Record<string, unknown>; waitMs: number }[] = [
    {
      says: 'images a minute',
      kind: 'rate_limit_images',
      params: { limit: 6_000, retryAfterMs: 1_500 },
      waitMs: WAIT_MS,
    },
    {
      says: 'images a minute, told in the message alone',
      kind: 'rate_limit_images',
      params: { limit: 6_000, retryAfterMs: 1_500, headers: false },
      waitMs: WAIT_MS,
    },
    {
      says: 'requests a minute',
      kind: 'rate_limit_requests',
      params: { limit: 6_000, retryAfterMs: 1_500 },
      waitMs: WAIT_MS,
    },
    { says: 'tokens a minute', kind: 'rate_limit_tokens', params: { retryAfterMs: 1_500 }, waitMs: WAIT_MS },
    { says: 'the wording of 2025', kind: 'rate_limit_legacy', params: { retryAfterMs: 1_500 }, waitMs: WAIT_MS },
    {
      says: '15 ms, which is less than a second',
      kind: 'rate_limit_images',
      params: { limit: 6_000, retryAfterMs: 15 },
      waitMs: 1_000,
    },
    { says: 'slow_down without a time', kind: 'slow_down', params: {}, waitMs: 1_000 },
    { says: 'slow_down with a time', kind: 'slow_down', params: { retryAfterMs: 1_500 }, waitMs: WAIT_MS },
    { says: 'the edge (error code: 1015)', kind: 'edge_1015', params: { retryAfterMs: 2_000 }, waitMs: 2_000 },
  ];
  test.each(rows)('$says', async ({ kind, params, waitMs }) => {
    // With MAX_ATTEMPTS=1 a single attempt that counted would end the job.
    const { ledger, job } = await checkVerdict(stack, {
      kind,
      fault: { count: 2, params },
      status: 'completed',
      attempts: [
        ['rejected', 429],
        ['rejected', 429],
        ['succeeded', 200],
      ],
      billed: 1,
    });
    const gaps = ledger.requests.slice(1).map((row, index) => row.at - (ledger.requests[index]?.endedAt ?? 0));
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(waitMs - 20);
    expectMoneyToAddUp({ job, ledger });
  });

  test('many 429s at once stop the bucket once', async () => {
    // `billed`: refused only after the latency, so that all six are under way when the first refusal comes.
    const params = { limit: 6_000, retryAfterMs: 1_500, billed: true };
    await stack.simulator.fault('rate_limit_images', { count: 6, params });
    await stack.simulator.fault('latency', { params: { ms: 500 } });
    const jobs = await Promise.all(Array.from({ length: 6 }, () => stack.api.submit()));
    const ended = await Promise.all(jobs.map(({ id }) => stack.api.ended(id)));
    expect(ended.map((job) => job.status)).toEqual(ended.map(() => 'completed'));
    const { requests } = await stack.simulator.ledger();
    const refused = requests.filter((row) => row.status === 429);
    expect(refused).toHaveLength(6);
    expect(requests).toHaveLength(12);
    expect(Math.max(...refused.map((row) => row.at))).toBeLessThan(Math.min(...refused.map((row) => row.endedAt ?? 0)));
    const again = requests.filter((row) => row.status === 200).map((row) => row.at - (refused[0]?.endedAt ?? 0));
    expect(Math.min(...again)).toBeGreaterThanOrEqual(1_450);
    expect(Math.max(...again)).toBeLessThan(5_000);
    expect(await stack.redis.hget('{darkroom}:bucket:default:gpt-image-2', 'epoch')).toBe('1');
  });

  test('a request too large for the limit is split, and every image comes', async () => {
    await stack.simulator.fault('rate_limit_too_large', { count: 1, params: { limit: 600, requested: 601 } });
    const job = await stack.api.run({ n: 10 });
    expect(job.status).toBe('completed');
    const { requests, images } = await stack.simulator.ledger();
    expect(requests.map((row) => row.n)).toEqual([10, 9, 1]);
    expect(images).toHaveLength(10);
    expect(job.images.map((image) => image.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe('a refused upstream key pauses for all workers and nothing is spent', () => {
  const rows: readonly { says: string; kind: string; fault: FaultOptions; status: number; code: string }[] = [
    { says: '401', kind: 'invalid_api_key', fault: {}, status: 401, code: 'invalid_api_key' },
    {
      says: '400 billing_hard_limit_reached',
      kind: 'billing_hard_limit',
      fault: {},
      status: 400,
      code: 'billing_hard_limit_reached',
    },
    ...[
      'insufficient_quota',
      'credit_balance_exhausted',
      'organization_spend_limit_exceeded',
      'project_spend_limit_exceeded',
      'organization_usage_limit_exceeded',
    ].map((code) => ({
      says: `429 ${code}`,
      kind: 'insufficient_quota',
      fault: { params: { code } },
      status: 429,
      code,
    })),
    {
      says: '429 credit_balance_exhausted of another type',
      kind: 'status',
      fault: plainError(429, 'credit_balance_exhausted', 'billing_error'),
      status: 429,
      code: 'credit_balance_exhausted',
    },
  ];
  test.each(rows)('$says', async ({ kind, fault, status, code }) => {
    await stack.simulator.fault(kind, fault);
    const first = await stack.api.submit({ model: 'dall-e-3', n: 2 });
    await until('the key is paused', async () => (await stack.redis.hexists(KEY, 'paused')) === 1);
    await until('no call is under way', async () => (await stack.simulator.stats()).inFlight === 0);
    const sentBefore = (await stack.simulator.ledger()).requests.length;
    const second = await stack.api.submit({ model: 'gpt-image-2' });
    const third = await stack.api.submit({ model: 'gpt-image-2.6-flare' });
    await until('the lanes rest', async () => {
      const lanes = ['gpt-image-2', 'gpt-image-2.6-flare'].map((lane) => `{darkroom}:calls-${lane}:limiter`);
      return (await stack.redis.exists(...lanes)) === lanes.length;
    });
    const attempts = await stack.api.attempts(first.id);
    for (const attempt of attempts) expect(attempt).toMatchObject({ outcome: 'rejected', status, code });
    for (const { id } of [first, second, third]) {
      expect((await stack.api.job(id)).status).toMatch(/^(queued|in_progress)$/);
    }
    expect(await stack.api.attempts(second.id)).toEqual([]);
    const ledger = await stack.simulator.ledger();
    expect(ledger.requests).toHaveLength(sentBefore);
    expect(ledger.images).toEqual([]);

    // Resumed by hand: everything that waited is done.
    await stack.reset();
    const ended = await Promise.all([first, second, third].map(({ id }) => stack.api.ended(id)));
    expect(ended.map((job) => job.status)).toEqual(['completed', 'completed', 'completed']);
    expect((await stack.simulator.ledger()).images).toHaveLength(4);
    expect(ended.map((job) => job.usage.possible_extra_cost_usd)).toEqual([0, 0, 0]);
  });
});
