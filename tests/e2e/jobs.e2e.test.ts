// What callers do with jobs beside submitting them: cancel, retry, let them expire, repeat themselves, wait, list, look.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Api, CAT, errorOf, hasEnded, type Job, submission } from '../support/api.ts';
import { expectImagesToBeWhole } from '../support/images.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;

beforeAll(async () => {
  // One call at a time, so that a test can act between two calls of a job.
  stack = await startTestStack({ env: { WORKER_CONCURRENCY: '1' } });
});
beforeEach(async () => {
  await stack.reset();
  await stack.ensureWorker();
});
afterAll(() => stack.stop());

const indexesOf = (job: Job): number[] => job.images.map((image) => image.index);

async function untilSent(requests: number): Promise<void> {
  await until(`${requests} requests are upstream`, async () => {
    return (await stack.simulator.ledger()).requests.length === requests;
  });
}

describe('cancel', () => {
  test('before any call was sent: nothing ever goes out', async () => {
    await stack.killWorkers();
    const { id } = await stack.api.submit({ model: 'dall-e-3', n: 4 });
    const cancelled = await stack.api.cancel(id);
    expect(cancelled).toMatchObject({ status: 'cancelled', images: [], usage: { cost_usd: 0 } });
    expect(cancelled.cancel_requested_at).toBeGreaterThan(0);
    expect(cancelled.errors.map((error) => [error.index, error.code])).toEqual(
      [0, 1, 2, 3].map((index) => [index, 'cancelled']),
    );
    expect(cancelled.progress).toMatchObject({ images_withheld: 4, images_failed: 0 });
    expect(await stack.api.cancel(id)).toMatchObject({ status: 'cancelled' });
    // A job behind it is done, the cancelled one is not.
    const next = await stack.api.submit({ model: 'dall-e-3', n: 1 });
    await stack.stack.addWorker();
    await stack.api.ended(next.id);
    expect(await stack.api.attempts(id)).toEqual([]);
    expect((await stack.simulator.ledger()).requests).toHaveLength(1);
  });

  test('during a call: it finishes and its image is kept, the others never go out', async () => {
    await stack.simulator.fault('latency', { params: { ms: 500 } });
    const { id } = await stack.api.submit({ model: 'dall-e-3', n: 4 });
    await untilSent(1);
    const cancelled = await stack.api.cancel(id);
    expect(cancelled.status).toBe('in_progress');
    const job = await stack.api.ended(id);
    expect(job.status).toBe('cancelled');
    expect(job.images).toHaveLength(1);
    expect(job.errors.map((error) => error.code)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    expect((await stack.simulator.ledger()).requests).toHaveLength(1);
    expect((await stack.api.cancel(id)).status).toBe('cancelled');
    await expectImagesToBeWhole(stack, job);
  });

  test('after the end changes nothing', async () => {
    const job = await stack.api.run();
    expect(await stack.api.cancel(job.id)).toMatchObject({ status: 'completed', cancel_requested_at: null });
  });

  test('while the only call sleeps behind a stopped bucket: withheld at once', async () => {
    await stack.simulator.fault('rate_limit_images', { params: { limit: 6_000, retryAfterMs: 60_000 } });
    const { id } = await stack.api.submit();
    await until('the bucket has stopped', async () => (await stack.api.attempts(id))[0]?.outcome === 'rejected');
    expect((await stack.api.cancel(id)).status).toBe('cancelled');
  });
});

describe('retry', () => {
  test('makes the missing images alone, as a new run; earlier images stay', async () => {
    await stack.simulator.fault('moderation_input', { count: 2, after: 1 });
    const job = await stack.api.run({ model: 'dall-e-3', n: 4 });
    expect(job).toMatchObject({ status: 'incomplete', run: 1 });
    expect(job.images).toHaveLength(2);
    await stack.simulator.clearFaults();
    await stack.simulator.fault('latency', { params: { ms: 1_000 } });
    const again = await stack.api.retry(job.id);
    expect(again).toMatchObject({ run: 2, finished_at: null, errors: [], error: null });
    expect(again.images).toHaveLength(2);
    const whole = await stack.api.ended(job.id);
    expect(whole).toMatchObject({ status: 'completed', run: 2, errors: [] });
    expect(indexesOf(whole)).toEqual([0, 1, 2, 3]);
    for (const image of job.images) {
      expect(whole.images[image.index]).toMatchObject({ id: image.id, sha256: image.sha256 });
    }
    const { requests, images } = await stack.simulator.ledger();
    expect([requests.length, images.length]).toEqual([6, 4]);
    expect((await stack.api.attempts(job.id)).map(({ run }) => run)).toEqual([1, 1, 1, 1, 2, 2]);
    await expectImagesToBeWhole(stack, whole);
  });

  test('of a call that has some of its images asks for the others alone', async () => {
    await stack.simulator.fault('partial_data', { params: { images: 1 } });
    const job = await stack.api.run({ n: 4 });
    expect(job.status).toBe('incomplete');
    expect(job.images).toHaveLength(2);
    await stack.simulator.clearFaults();
    await stack.api.retry(job.id);
    const whole = await stack.api.ended(job.id);
    expect(whole.status).toBe('completed');
    expect((await stack.simulator.ledger()).requests.map((row) => row.n)).toEqual([4, 3, 2]);
    await expectImagesToBeWhole(stack, whole);
  });

  test('of a cancelled job makes what was withheld', async () => {
    await stack.killWorkers();
    const { id } = await stack.api.submit({ n: 2 });
    await stack.api.cancel(id);
    await stack.stack.addWorker();
    await stack.api.retry(id);
    const job = await stack.api.ended(id);
    expect(job).toMatchObject({ status: 'completed', run: 2, cancel_requested_at: null });
    expect((await stack.simulator.ledger()).images).toHaveLength(2);
  });

  test('many at once open one run and buy once', async () => {
    await stack.simulator.fault('moderation_input', { count: 1 });
    const job = await stack.api.run();
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => stack.api.request('POST', `/v1/jobs/${job.id}/retry`)),
    );
    expect(replies.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 409)).toHaveLength(7);
    expect(await stack.api.ended(job.id)).toMatchObject({ status: 'completed', run: 2 });
    expect((await stack.simulator.ledger()).images).toHaveLength(1);
  });

  test('of a job that is whole or not ended is refused', async () => {
    const job = await stack.api.run();
    const whole = await stack.api.request('POST', `/v1/jobs/${job.id}/retry`);
    expect([whole.status, errorOf(whole).code]).toEqual([409, 'nothing_to_retry']);
    await stack.killWorkers();
    const open = await stack.api.submit();
    const early = await stack.api.request('POST', `/v1/jobs/${open.id}/retry`);
    expect([early.status, errorOf(early).code]).toEqual([409, 'job_not_ended']);
    await stack.api.cancel(open.id);
  });
});

describe('expires_after', () => {
  const stopped = { params: { limit: 6_000, retryAfterMs: 60_000 } };

  test('gives up a call behind a stopped bucket on time, unsent', async () => {
    await stack.simulator.fault('rate_limit_images', stopped);
    const submitted = await stack.api.submit({}, { expires_after: 2 });
    const job = await stack.api.ended(submitted.id, 10_000);
    expect(job).toMatchObject({ status: 'expired', images: [], progress: { images_withheld: 1 } });
    expect(job.errors[0]).toMatchObject({ index: 0, code: 'expired' });
    const late = (job.finished_at ?? 0) - job.expires_at;
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThanOrEqual(3);
    expect((await stack.simulator.ledger()).images).toEqual([]);
  });

  test('keeps the images that came in time and withholds the rest', async () => {
    await stack.simulator.fault('rate_limit_images', { ...stopped, after: 1 });
    const { id } = await stack.api.submit({ model: 'dall-e-3', n: 3 }, { expires_after: 2 });
    const job = await stack.api.ended(id, 10_000);
    expect(job.status).toBe('expired');
    expect(job.images).toHaveLength(1);
    expect(job.errors.map((error) => error.code)).toEqual(['expired', 'expired']);
    expect((await stack.simulator.ledger()).images).toHaveLength(1);
  });

  test('never stops a call that has been sent', async () => {
    await stack.simulator.fault('latency', { params: { ms: 2_500 } });
    const job = await stack.api.run({}, { expires_after: 1 });
    expect(job.status).toBe('completed');
  });
});

describe('idempotency', () => {
  let second: Api;
  beforeAll(async () => {
    second = await stack.addApi();
  });

  test('twenty identical requests at once on two API processes make one job', async () => {
    const headers = { 'idempotency-key': 'twenty-at-once' };
    const body = submission({ n: 2 });
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? stack.api : second).request('POST', '/v1/jobs', { body, headers }),
      ),
    );
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 202));
    const ids = new Set(replies.map(({ json }) => (json as Job).id));
    expect(ids.size).toBe(1);
    const first = replies.filter(({ headers: sent }) => sent.get('idempotent-replayed') === null);
    expect(first).toHaveLength(1);
    const [id = ''] = ids;
    expect((await stack.api.ended(id)).status).toBe('completed');
    expect((await stack.simulator.ledger()).requests).toHaveLength(1);
    const replay = await second.request('POST', '/v1/jobs', { body, headers: { ...headers, prefer: 'wait=5' } });
    expect([replay.status, replay.headers.get('idempotent-replayed')]).toEqual([200, 'true']);
    expect(replay.json).toMatchObject({ id, status: 'completed' });
  });

  test('another body under the same key is refused; the order of fields and null fields are no difference', async () => {
    const headers = { 'idempotency-key': 'same-key' };
    const reply = await stack.api.request('POST', '/v1/jobs', { body: submission(), headers });
    const { id } = reply.json as Job;
    const reordered = {
      input: { n: null, quality: 'low', size: '1024x1024', prompt: CAT['prompt'], model: 'gpt-image-2' },
    };
    const same = await stack.api.request('POST', '/v1/jobs', {
      body: { ...reordered, operation: 'generation' },
      headers,
    });
    expect([same.status, (same.json as Job).id]).toEqual([202, id]);
    const other = await second.request('POST', '/v1/jobs', { body: submission({ n: 2 }), headers });
    expect([other.status, errorOf(other).code]).toEqual([422, 'idempotency_key_reuse']);
    await stack.api.ended(id);
    expect((await stack.simulator.ledger()).images).toHaveLength(1);
  });

  test('a refused request and a dry run do not use the key up', async () => {
    const headers = { 'idempotency-key': 'not-used-up' };
    const refused = await stack.api.request('POST', '/v1/jobs', { body: submission({ n: 11 }), headers });
    expect(refused.status).toBe(400);
    const dry = await stack.api.request('POST', '/v1/jobs', { body: submission({}, { dry_run: true }), headers });
    expect(dry.status).toBe(200);
    const job = await stack.api.submit({}, {}, headers);
    expect((await stack.api.ended(job.id)).status).toBe('completed');
  });
});

describe('waiting', () => {
  test('Prefer: wait answers 200 with the ended job, or 202 when it takes longer', async () => {
    const done = await stack.api.request('POST', '/v1/jobs', {
      body: submission(),
      headers: { prefer: 'wait=20' },
    });
    expect([done.status, done.headers.get('preference-applied')]).toEqual([200, 'wait=20']);
    expect(done.json).toMatchObject({ status: 'completed' });
    await stack.simulator.fault('latency', { params: { ms: 1_800 } });
    const asked = performance.now();
    const slow = await stack.api.request('POST', '/v1/jobs', { body: submission(), headers: { prefer: 'wait=1' } });
    expect(slow.status).toBe(202);
    expect(performance.now() - asked).toBeGreaterThanOrEqual(950);
    const { id } = slow.json as Job;
    expect(slow.headers.get('location')).toBe(`/v1/jobs/${id}`);
    expect(Number(slow.headers.get('retry-after'))).toBeGreaterThan(0);
    const polled = await stack.api.request('GET', `/v1/jobs/${id}?wait=20`);
    expect([polled.status, hasEnded(polled.json as Job)]).toEqual([200, true]);
  });

  test('a failed job answers Prefer: wait with 200 and its error', async () => {
    await stack.simulator.fault('moderation_input');
    const reply = await stack.api.request('POST', '/v1/jobs', { body: submission(), headers: { prefer: 'wait=20' } });
    expect(reply.status).toBe(200);
    expect(reply.json).toMatchObject({ status: 'failed', error: { code: 'moderation_blocked' } });
  });

  test.each(['0', '601', 'x', '1.5', '-1'])('?wait=%s is refused', async (wait) => {
    const job = await stack.api.run();
    const reply = await stack.api.request('GET', `/v1/jobs/${job.id}?wait=${wait}`);
    expect([reply.status, errorOf(reply).param]).toEqual([400, 'wait']);
  });
});

describe('dry_run', () => {
  test('says the plan, the translation and the cost, and leaves no trace', async () => {
    const before = (await stack.api.list('?limit=1')).first_id;
    const reply = await stack.api.request('POST', '/v1/jobs', {
      body: submission({ model: 'dall-e-3', n: 4, quality: 'hd' }, { dry_run: true }),
    });
    expect(reply.status).toBe(200);
    const plan = reply.json as { calls: unknown[]; model: string; estimated_cost_usd: number; max_cost_usd: number };
    expect(plan).toMatchObject({ model: 'gpt-image-2.6-sunburst', requested_model: 'dall-e-3' });
    expect(plan.calls).toHaveLength(4);
    expect(plan.estimated_cost_usd).toBeGreaterThan(0);
    expect(plan.max_cost_usd).toBeGreaterThanOrEqual(plan.estimated_cost_usd);
    expect((await stack.api.list('?limit=1')).first_id).toBe(before);
    expect((await stack.simulator.ledger()).requests).toEqual([]);
  });

  test('its estimate is what the job then costs', async () => {
    const input = { n: 3, quality: 'medium' };
    const reply = await stack.api.request('POST', '/v1/jobs', { body: submission(input, { dry_run: true }) });
    const plan = reply.json as { estimated_cost_usd: number; max_cost_usd: number };
    const job = await stack.api.run(input);
    expect(job.usage.cost_usd).toBeCloseTo(plan.estimated_cost_usd, 4);
    expect(job.usage.cost_usd).toBeLessThanOrEqual(plan.max_cost_usd);
  });
});

describe('the list of jobs', () => {
  test('pages through all of them, filtered, in both orders', async () => {
    const metadata = { series: `s${Date.now()}` };
    await stack.simulator.fault('moderation_input', { count: 2 });
    const made: Job[] = [];
    for (let index = 0; index < 7; index += 1) {
      made.push(await stack.api.run({ model: index === 3 ? 'dall-e-3' : 'gpt-image-2' }, { metadata }));
    }
    const ids = made.map((job) => job.id);
    const series = `metadata[series]=${metadata.series}`;
    for (const order of ['asc', 'desc'] as const) {
      const seen: string[] = [];
      let after = '';
      for (;;) {
        const page = await stack.api.list(`?limit=2&order=${order}&${series}${after}`);
        seen.push(...page.data.map((job) => job.id));
        expect(page.data.length).toBeLessThanOrEqual(2);
        if (!page.has_more) break;
        after = `&after=${page.last_id}`;
      }
      expect(seen).toEqual(order === 'asc' ? ids : ids.toReversed());
    }
    const only = async (filter: string): Promise<string[]> =>
      (await stack.api.list(`?order=asc&limit=100&${series}&${filter}`)).data.map((job) => job.id);
    expect(await only('status=failed')).toEqual(ids.slice(0, 2));
    expect(await only('status=completed')).toEqual(ids.slice(2));
    expect(await only('model=dall-e-3')).toEqual([ids[3]]);
    expect(await only('operation=edit')).toEqual([]);
    expect(await only('metadata[other]=x')).toEqual([]);
    expect(await only(`created_before=${made[0]?.created_at}`)).toEqual([]);
    expect(await only(`created_after=${(made[0]?.created_at ?? 0) - 1}`)).toEqual(ids);
  });

  test.each(['limit=0', 'limit=101', 'order=up', 'status=done', 'after=job_none', 'colour=red'])(
    '?%s is refused by name',
    async (query) => {
      const reply = await stack.api.request('GET', `/v1/jobs?${query}`);
      expect([reply.status, errorOf(reply).param]).toEqual([400, query.split('=')[0]]);
    },
  );
});

test('attempts tell when, what, at what cost and under which upstream id', async () => {
  await stack.simulator.fault('server_error', { count: 1 });
  const job = await stack.api.run();
  const attempts = await stack.api.attempts(job.id);
  const { requests, images } = await stack.simulator.ledger();
  expect(attempts).toMatchObject([
    { call: 0, attempt: 1, run: 1, outcome: 'failed', status: 500, code: 'server_error', image_indexes: [0] },
    { call: 0, attempt: 2, run: 1, outcome: 'succeeded', status: 200, code: null, image_indexes: [0] },
  ]);
  expect(attempts.map((attempt) => attempt.upstream_request_id)).toEqual(requests.map((row) => row.id));
  expect(attempts[1]?.cost_usd).toBeCloseTo(images[0]?.costUsd ?? Number.NaN, 6);
  for (const attempt of attempts) {
    expect(attempt.duration_ms).toBeGreaterThanOrEqual(0);
    expect(attempt.started_at).toBeGreaterThanOrEqual(job.created_at);
  }
});
