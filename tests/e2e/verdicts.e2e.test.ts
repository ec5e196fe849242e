// The table of contract section 5, row by row: what the upstream says, what becomes of the job, what it cost.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { FaultOptions } from '../support/simulator.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { checkVerdict, expectMoneyToAddUp, plainError, type VerdictRow } from '../support/verdict-row.ts';

let stack: TestStack;
const WORKER = { MAX_ATTEMPTS: '2', CALL_TIMEOUT_MS: '1500' };

beforeAll(async () => {
  stack = await startTestStack({ env: WORKER });
});
beforeEach(() => stack.reset());
afterAll(() => stack.stop());

type Row = VerdictRow & { readonly says: string };

describe('final errors are never tried again', () => {
  const rows: Row[] = [
    ...[400, 403, 405, 413, 415, 418, 422, 451].map(
      (status): Row => ({
        says: `${status}`,
        kind: 'status',
        fault: plainError(status, 'some_code'),
        status: 'failed',
        code: 'some_code',
        attempts: [['rejected', status, 'some_code']],
        billed: 0,
      }),
    ),
    {
      says: '400 as plain text',
      kind: 'status',
      fault: { params: { status: 400, body: 'no' } },
      status: 'failed',
      attempts: [['rejected', 400]],
      billed: 0,
    },
    {
      says: '403 not verified',
      kind: 'org_unverified',
      status: 'failed',
      attempts: [['rejected', 403]],
      billed: 0,
    },
    {
      says: '403 no access to the model',
      kind: 'no_model_access',
      status: 'failed',
      attempts: [['rejected', 403]],
      billed: 0,
    },
    {
      says: '429 with Limit 0',
      kind: 'rate_limit_zero',
      status: 'failed',
      code: 'rate_limit_exceeded',
      attempts: [['rejected', 429, 'rate_limit_exceeded']],
      billed: 0,
    },
    {
      says: '429 with Requested above Limit at n=1',
      kind: 'rate_limit_too_large',
      fault: { params: { limit: 600, requested: 601 } },
      status: 'failed',
      code: 'rate_limit_exceeded',
      attempts: [['rejected', 429]],
      billed: 0,
    },
    {
      says: 'moderation_blocked at input stage',
      kind: 'moderation_input',
      status: 'failed',
      code: 'moderation_blocked',
      attempts: [['rejected', 400, 'moderation_blocked']],
      billed: 0,
    },
    {
      says: 'moderation_blocked that names no stage',
      kind: 'moderation_input',
      fault: { params: { details: false } },
      status: 'failed',
      code: 'moderation_blocked',
      attempts: [['rejected', 400, 'moderation_blocked']],
      billed: 0,
    },
    ...[
      ['model_not_found_400', 400],
      ['model_not_found_404', 404],
      ['gone_410', 410],
      ['empty_404', 404],
    ].map(
      ([kind, status]): Row => ({
        says: `${kind} for a live model`,
        kind: kind as string,
        status: 'failed',
        code: 'model_not_found',
        attempts: [['rejected', status as number, 'model_not_found']],
        billed: 0,
      }),
    ),
  ];
  test.each(rows)('$says', async (row) => {
    const seen = await checkVerdict(stack, row);
    expect(seen.job.errors.map((error) => error.index)).toEqual([0]);
    expectMoneyToAddUp(seen);
  });
});

describe('5xx before any work is tried again, at most MAX_ATTEMPTS times', () => {
  const says: readonly (readonly [string, FaultOptions, number])[] = [
    ['server_error', {}, 500],
    ['server_error', { params: { status: 500, html: true } }, 500],
    ['server_error', { params: { status: 502, html: true } }, 502],
    ['server_error', { params: { status: 503, html: true } }, 503],
    ['overloaded', {}, 503],
    ['status', { params: { status: 529, body: '' } }, 529],
  ];
  const title = ([kind, { params }, status]: (typeof says)[number]): string =>
    `${kind} ${status}${params?.['html'] === true ? ' as HTML' : ''}`;

  test.each(says.map((one) => ({ title: title(one), one })))('$title once: completes', async ({ one }) => {
    const [kind, fault, status] = one;
    const seen = await checkVerdict(stack, {
      kind,
      fault: { ...fault, count: 1 },
      status: 'completed',
      attempts: [
        ['failed', status],
        ['succeeded', 200],
      ],
      billed: 1,
    });
    expectMoneyToAddUp(seen);
  });

  test.each(says.map((one) => ({ title: title(one), one })))('$title for ever: fails after two', async ({ one }) => {
    const [kind, fault, status] = one;
    const seen = await checkVerdict(stack, {
      kind,
      fault,
      status: 'failed',
      attempts: [
        ['failed', status],
        ['failed', status],
      ],
      billed: 0,
    });
    expect(seen.job.error?.message).toBeTruthy();
  });

  test('retry-after of a 5xx is honoured', async () => {
    const { ledger } = await checkVerdict(stack, {
      kind: 'overloaded',
      fault: { count: 1, params: { retryAfterMs: 2_500 } },
      status: 'completed',
      attempts: [
        ['failed', 503, 'server_is_overloaded'],
        ['succeeded', 200],
      ],
      billed: 1,
    });
    expect((ledger.requests[1]?.at ?? 0) - (ledger.requests[0]?.endedAt ?? 0)).toBeGreaterThanOrEqual(2_450);
  });
});

describe('an unknown outcome is told and tried again at most once', () => {
  const unknown: readonly { says: string; kind: string; fault: FaultOptions; status: number | null; billed: number }[] =
    [
      { says: '408', kind: 'request_timeout_408', fault: {}, status: 408, billed: 0 },
      { says: '409', kind: 'conflict_409', fault: {}, status: 409, billed: 0 },
      { says: '504', kind: 'gateway_timeout_504', fault: {}, status: 504, billed: 0 },
      {
        says: '504 as HTML, after the work',
        kind: 'gateway_timeout_504',
        fault: { params: { html: true, billed: true } },
        status: 504,
        billed: 1,
      },
      ...[520, 521, 522, 523, 524, 525, 526, 527].map((status) => ({
        says: `${status}`,
        kind: 'cloudflare_520',
        fault: { params: { status } },
        status,
        billed: 0,
      })),
      { says: 'no answer within CALL_TIMEOUT_MS', kind: 'hang', fault: {}, status: null, billed: 0 },
      {
        says: 'no answer within CALL_TIMEOUT_MS, billed',
        kind: 'hang',
        fault: { params: { billed: true } },
        status: null,
        billed: 1,
      },
      { says: 'a reset after the work', kind: 'reset_after_work', fault: {}, status: null, billed: 1 },
      { says: 'a reset after sending, before the work', kind: 'reset_before_work', fault: {}, status: null, billed: 0 },
      { says: 'half a body', kind: 'truncated_body', fault: {}, status: null, billed: 1 },
      ...['empty_list', 'empty_entries', 'no_list'].map((shape) => ({
        says: `200 without image data (${shape})`,
        kind: 'no_data',
        fault: { params: { shape } },
        status: 200,
        billed: 1,
      })),
      { says: 'a rate limit inside 200', kind: 'rate_limit_in_200', fault: {}, status: 200, billed: 0 },
    ];

  /** Where no HTTP status came, the attempt shows none or Darkroom's own 502. */
  async function checkUnknown(row: (typeof unknown)[number], isLasting: boolean) {
    await stack.simulator.fault(row.kind, { ...row.fault, ...(isLasting ? {} : { count: 1 }) });
    const job = await stack.api.run();
    const attempts = await stack.api.attempts(job.id);
    const ledger = await stack.simulator.ledger();
    expect(attempts.map(({ outcome }) => outcome)).toEqual(
      isLasting ? ['unknown', 'unknown'] : ['unknown', 'succeeded'],
    );
    if (row.status !== null && row.status !== 200) expect(attempts[0]?.status).toBe(row.status);
    expect(ledger.requests).toHaveLength(2);
    expect(ledger.images).toHaveLength(isLasting ? 2 * row.billed : row.billed + 1);
    for (const attempt of attempts) {
      if (attempt.outcome === 'unknown') expect(attempt.possible_extra_cost_usd).toBeGreaterThan(0);
    }
    expect(job.usage.possible_extra_cost_usd).toBeGreaterThan(0);
    expectMoneyToAddUp({ job, ledger });
    return job;
  }

  test.each(unknown)('$says once: completes, with the extra cost shown', async (row) => {
    const job = await checkUnknown(row, false);
    expect(job.status).toBe('completed');
    expect(job.errors).toEqual([]);
  });

  // The statuses beside 520 go the same way; once each is enough.
  const lasting = unknown.filter(({ says }) => !/^52[1-7]$/.test(says));
  test.each(lasting)('$says for ever: fails after two attempts', async (row) => {
    const job = await checkUnknown(row, true);
    expect(job.status).toBe('failed');
    expect(job.errors).toHaveLength(1);
    expect(job.usage.cost_usd).toBe(0);
  });

  test('some images of several: those are kept, only the missing ones are asked for again', async () => {
    await stack.simulator.fault('partial_data', { count: 1, params: { images: 2 } });
    const job = await stack.api.run({ n: 4 });
    const ledger = await stack.simulator.ledger();
    expect(job.status).toBe('completed');
    expect(ledger.requests.map((row) => row.n)).toEqual([4, 2]);
    expect(ledger.images.map((image) => image.sha256).toSorted()).toEqual(
      job.images.map((image) => image.sha256).toSorted(),
    );
  });

  test('some images of several, twice: the job is incomplete, what came is kept', async () => {
    await stack.simulator.fault('partial_data', { params: { images: 1 } });
    const job = await stack.api.run({ n: 4 });
    const ledger = await stack.simulator.ledger();
    expect(job.status).toBe('incomplete');
    expect(ledger.requests.map((row) => row.n)).toEqual([4, 3]);
    expect(job.images).toHaveLength(2);
    expect(job.errors).toHaveLength(2);
  });
});

describe('moderation after the work', () => {
  test('once: the call is made once more and completes', async () => {
    await checkVerdict(stack, {
      kind: 'moderation_output',
      fault: { count: 1 },
      status: 'completed',
      attempts: [
        ['failed', 400, 'moderation_blocked'],
        ['succeeded', 200],
      ],
      billed: 2,
    });
  });

  test('twice: final', async () => {
    await checkVerdict(stack, {
      kind: 'moderation_output',
      status: 'failed',
      code: 'moderation_blocked',
      attempts: [
        ['failed', 400, 'moderation_blocked'],
        ['failed', 400, 'moderation_blocked'],
      ],
      billed: 2,
    });
  });
});

describe('with ON_UNKNOWN=fail', () => {
  beforeAll(async () => {
    await stack.replaceWorkers({ ON_UNKNOWN: 'fail' });
  });
  test.each(['gateway_timeout_504', 'reset_after_work', 'no_data', 'hang', 'truncated_body'])(
    '%s is never tried again',
    async (kind) => {
      await stack.simulator.fault(kind);
      const job = await stack.api.run();
      expect(job.status).toBe('failed');
      expect((await stack.api.attempts(job.id)).map(({ outcome }) => outcome)).toEqual(['unknown']);
      expect((await stack.simulator.ledger()).requests).toHaveLength(1);
      expect(job.usage.possible_extra_cost_usd).toBeGreaterThan(0);
    },
  );

  test('some images of several are kept, the missing ones are not asked for again', async () => {
    await stack.simulator.fault('partial_data', { params: { images: 2 } });
    const job = await stack.api.run({ n: 4 });
    expect(job.status).toBe('incomplete');
    expect(job.images).toHaveLength(2);
    expect((await stack.simulator.ledger()).requests.map((row) => row.n)).toEqual([4]);
  });
});

describe('what fails before sending cost nothing and is tried again', () => {
  const closed = 'http://127.0.0.1:9/v1';
  test.each([
    ['nobody listens', () => closed],
    ['the name does not resolve', () => 'http://nowhere.invalid/v1'],
    ['the TLS handshake fails', () => `${stack.simulator.url.replace('http:', 'https:')}/v1`],
  ])('%s', async (_, url) => {
    await stack.replaceWorkers({ OPENAI_BASE_URL: url() });
    const job = await stack.api.run();
    expect(job).toMatchObject({ status: 'failed', error: { code: 'upstream_unreachable' } });
    const attempts = await stack.api.attempts(job.id);
    expect(attempts.map(({ outcome, code }) => [outcome, code])).toEqual([
      ['failed', 'upstream_unreachable'],
      ['failed', 'upstream_unreachable'],
    ]);
    expect(job.usage).toMatchObject({ cost_usd: 0, possible_extra_cost_usd: 0 });
  });
});
