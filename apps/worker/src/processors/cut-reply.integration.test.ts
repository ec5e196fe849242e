// A reply that breaks off, in a whole worker: what had come is stored, what had not is bought at most once more, and the
// books say what is known of the price and no more.
import { newJobId } from '@darkroom/shared/base/ids.ts';
import { toPublicJob } from '@darkroom/shared/jobs/public-job.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { JobSpec } from '@darkroom/shared/jobs/spec.ts';
import { submitSpec } from '@darkroom/shared/jobs/submit.ts';
import { TEST_SPEC } from '@darkroom/shared/jobs/test-spec.ts';
import { upperBoundMicroUsd } from '@darkroom/shared/models/price.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ACCOUNT, openWorkerBench, type WorkerBench } from '../testing/worker-bench.ts';

let bench: WorkerBench;
beforeAll(async () => {
  bench = await openWorkerBench({ CALL_TIMEOUT_MS: '1500' });
});
afterAll(() => bench.close());
beforeEach(() => bench.upstream.reset());

const BODY = { model: 'gpt-image-2', prompt: 'a cat', size: '1024x1024', quality: 'low' };
const FOUR: JobSpec = { ...TEST_SPEC, account: ACCOUNT, body: BODY, calls: [[0, 1, 2, 3]] };
const LINKED: JobSpec = {
  ...FOUR,
  model: 'dall-e-2',
  lane: 'dall-e-2',
  body: { model: 'dall-e-2', prompt: 'a cat', size: '256x256', response_format: 'url' },
};

async function run(spec: JobSpec): Promise<JobRecord> {
  const { id } = await submitSpec(bench.deps.submit, newJobId(), spec, null);
  return bench.untilJob(id, hasEnded);
}

async function cutReplies(params: Readonly<Record<string, unknown>>, count = 1): Promise<void> {
  await bench.upstream.control('POST', '/faults', { kind: 'truncated_body', count, params });
}

const bound = (spec: JobSpec, images: number): number =>
  upperBoundMicroUsd(spec.model, spec.body, images) ?? expect.fail('no bound');
const usageOf = (job: JobRecord) => toPublicJob(job, () => ({ url: '', expiresAt: null })).usage;

/** The images of the job, in the order of their indexes, are these of the upstream's, and lie in storage as they came. */
async function expectImages(job: JobRecord, made: readonly number[]): Promise<void> {
  const { images } = await bench.upstream.ledger();
  const rows = [...job.images.values()];
  expect(rows.map(({ index }) => index)).toEqual(made.map((_, index) => index));
  expect(rows.map(({ sha256 }) => sha256)).toEqual(made.map((at) => images[at]?.sha256));
  for (const { key, bytes } of rows) expect((await bench.deps.store.read(key))?.length).toBe(bytes);
}

const asked = async (): Promise<(number | null)[]> => (await bench.upstream.ledger()).requests.map(({ n }) => n);

describe('a reply that breaks off after three of four images', () => {
  test.each([
    ['with its connection', { images: 3 }],
    ['in silence, until its time is over', { images: 3, stalls: true }],
  ])('%s: these are kept, the fourth alone is bought once more', async (_, params) => {
    await cutReplies(params);
    const job = await run(FOUR);
    const { requests, images } = await bench.upstream.ledger();
    expect([job.status, requests.map(({ n }) => n)]).toEqual(['completed', [4, 1]]);
    await expectImages(job, [0, 1, 2, 4]);
    expect(job.attempts).toMatchObject([
      { outcome: 'succeeded', status: 200, images: [0, 1, 2, 3], cameImages: 3, requestId: requests[0]?.id },
      { outcome: 'succeeded', status: 200, images: [3], requestId: requests[1]?.id },
    ]);
    // What the three have cost was to be told after the fourth; the whole request may have been charged.
    expect(job.attempts[0]).toMatchObject({ costMicroUsd: null, extraMicroUsd: bound(FOUR, 4), inputTokens: 0 });
    expect(job.attempts[1]?.costMicroUsd).toBeGreaterThan(0);
    const extra = bound(FOUR, 4) / 1e6;
    expect(usageOf(job)).toMatchObject({ images: 4, cost_usd: null, possible_extra_cost_usd: extra });
    const first = images.filter(({ requestId }) => requestId === requests[0]?.id);
    expect(extra).toBeGreaterThanOrEqual(first.reduce((sum, { costUsd }) => sum + costUsd, 0));
  });

  test('twice in a row: what came is kept, nothing is bought a third time', async () => {
    await cutReplies({ images: 2 });
    await cutReplies({ images: 1 });
    const job = await run(FOUR);
    expect([job.status, await asked()]).toEqual(['incomplete', [4, 2]]);
    await expectImages(job, [0, 1, 4]);
    expect(usageOf(job)).toMatchObject({
      cost_usd: null,
      possible_extra_cost_usd: (bound(FOUR, 4) + bound(FOUR, 2)) / 1e6,
    });
  });

  test('with on_unknown fail: nothing is bought again, and the job ends with the three', async () => {
    await cutReplies({ images: 3 });
    const job = await run({ ...FOUR, onUnknown: 'fail' });
    expect([job.status, await asked()]).toEqual(['incomplete', [4]]);
    await expectImages(job, [0, 1, 2]);
    expect(job.calls[0]?.error).toMatchObject({ code: 'outcome_unknown', requestId: job.attempts[0]?.requestId });
    expect(toPublicJob(job, () => ({ url: '', expiresAt: null })).errors).toMatchObject([
      { index: 3, code: 'outcome_unknown' },
    ]);
  });

  test('of links and a price for each: those that came are followed and priced', async () => {
    await cutReplies({ images: 3 });
    const job = await run(LINKED);
    const { images } = await bench.upstream.ledger();
    const each = (images[0]?.costUsd ?? 0) * 1e6;
    expect([job.status, await asked()]).toEqual(['completed', [4, 1]]);
    await expectImages(job, [0, 1, 2, 4]);
    expect(job.attempts).toMatchObject([
      { cameImages: 3, costMicroUsd: 3 * each, extraMicroUsd: bound(LINKED, 1) },
      { costMicroUsd: each },
    ]);
    expect(usageOf(job)).toMatchObject({
      cost_usd: (4 * each) / 1e6,
      possible_extra_cost_usd: bound(LINKED, 1) / 1e6,
    });
  });
});

test('a reply that breaks off after its only image: nothing is bought again, even where nobody forbids it', async () => {
  await cutReplies({ images: 1 });
  const job = await run({ ...FOUR, calls: [[0]] });
  expect([job.status, await asked()]).toEqual(['completed', [1]]);
  await expectImages(job, [0]);
  expect(job.attempts).toMatchObject([{ outcome: 'succeeded', costMicroUsd: null, extraMicroUsd: bound(FOUR, 1) }]);
  expect(job.attempts[0]).not.toHaveProperty('cameImages');
});

test('a reply that breaks off in its first image is unknown, under its request id', async () => {
  await cutReplies({ images: 0 });
  const job = await run(FOUR);
  const { requests } = await bench.upstream.ledger();
  expect([job.status, requests.map(({ n }) => n)]).toEqual(['completed', [4, 4]]);
  expect(job.attempts[0]).toMatchObject({ outcome: 'unknown', requestId: requests[0]?.id });
  expect(job.attempts[0]).not.toHaveProperty('costMicroUsd');
  expect(usageOf(job).cost_usd).toBeGreaterThan(0);
  expect(usageOf(job).possible_extra_cost_usd).toBe(bound(FOUR, 4) / 1e6);
});
