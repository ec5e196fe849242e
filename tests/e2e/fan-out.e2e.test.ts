// How a job becomes upstream calls, and what its caller gets: the shape the issue promises first.
import { createHash } from 'node:crypto';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Job } from '../support/api.ts';
import { say } from '../support/say.ts';
import type { Ledger, LedgerRequest } from '../support/simulator.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

let stack: TestStack;
beforeEach(() => stack.reset());

/** The longest span, in ms, during which all of the requests were under way. */
function overlapMs(requests: readonly LedgerRequest[]): number {
  return Math.min(...requests.map((row) => row.endedAt ?? 0)) - Math.max(...requests.map((row) => row.at));
}

async function expectBytesToBeTheUpstreams(job: Job, ledger: Ledger): Promise<void> {
  const paid = ledger.images.map((image) => image.sha256).toSorted();
  expect(job.images.map((image) => image.sha256).toSorted()).toEqual(paid);
  for (const image of job.images) {
    const bytes = await stack.api.bytes(image);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(image.sha256);
    expect(bytes.length).toBe(image.bytes);
  }
}

describe('with the models of today', () => {
  beforeAll(async () => {
    stack = await startTestStack();
  });
  afterAll(() => stack.stop());

  test('dall-e-3 with n=4 is translated and becomes four overlapping calls of one image', async () => {
    await stack.simulator.fault('latency', { params: { ms: 500 } });
    const job = await stack.api.run({ model: 'dall-e-3', n: 4, size: '1792x1024', quality: 'hd', style: 'vivid' });
    expect(job).toMatchObject({ status: 'completed', model: 'gpt-image-2.6-sunburst', requested_model: 'dall-e-3' });
    expect(job.images.map((image) => image.index)).toEqual([0, 1, 2, 3]);
    expect(job.warnings.join('\n')).toContain('dall-e-3');
    const ledger = await stack.simulator.ledger();
    expect(ledger.requests.map((row) => row.n)).toEqual([1, 1, 1, 1]);
    expect(overlapMs(ledger.requests)).toBeGreaterThan(0);
    expect((await stack.simulator.stats()).maxInFlight).toBe(4);
    expect(ledger.images).toHaveLength(4);
    await expectBytesToBeTheUpstreams(job, ledger);
    say(`dall-e-3 n=4: four calls overlapped for ${overlapMs(ledger.requests)} ms of their 500 ms`);
  });

  test('gpt-image-2 with n=10 is one call of ten images', async () => {
    const job = await stack.api.run({ n: 10 });
    expect(job.status).toBe('completed');
    const ledger = await stack.simulator.ledger();
    expect(ledger.requests.map((row) => row.n)).toEqual([10]);
    expect(ledger.images).toHaveLength(10);
    expect(job.images.map((image) => image.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await expectBytesToBeTheUpstreams(job, ledger);
    expect(job.usage).toMatchObject({ images: 10, possible_extra_cost_usd: 0 });
    expect(job.usage.cost_usd).toBeCloseTo(
      ledger.images.reduce((sum, image) => sum + image.costUsd, 0),
      5,
    );
  });

  test('a job of which one call is refused is incomplete: its images are kept, the error names its index', async () => {
    await stack.simulator.fault('moderation_input', { count: 1, after: 2 });
    const job = await stack.api.run({ model: 'dall-e-3', n: 4 });
    expect(job.status).toBe('incomplete');
    expect(job.images).toHaveLength(3);
    expect(job.errors).toHaveLength(1);
    expect(job.errors[0]).toMatchObject({ code: 'moderation_blocked', type: 'image_generation_user_error' });
    expect(job.errors[0]?.upstream_request_id).toMatch(/^req_/);
    const indexes = [...job.images, ...job.errors].map(({ index }) => index);
    expect(indexes.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    expect(job.error).toMatchObject({ code: 'moderation_blocked' });
    expect(job.progress).toEqual({ images_requested: 4, images_completed: 3, images_failed: 1, images_withheld: 0 });
    expect((await stack.simulator.ledger()).images).toHaveLength(3);
    expect(job.usage.possible_extra_cost_usd).toBe(0);
  });

  test('the official SDK submits, polls and lists, and sees errors of its own classes', async () => {
    const { openai } = stack;
    const body = { operation: 'generation', input: { model: 'dall-e-3', prompt: 'a tabby', n: 2 } };
    const job = await openai.post<Job>('/jobs', { body, headers: { prefer: 'wait=20' } });
    expect(job).toMatchObject({ object: 'job', status: 'completed' });
    expect(await openai.get<Job>(`/jobs/${job.id}`)).toMatchObject({ id: job.id });
    const models = await openai.models.list();
    expect(models.data.map((model) => model.id)).toContain('gpt-image-2');
    const wrong = { operation: 'generation', input: { model: 'gpt-image-2', prompt: 'a tabby', sise: '1024x1024' } };
    const error = await openai.post('/jobs', { body: wrong }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code: 'unknown_parameter', type: 'invalid_request_error', status: 400 });
    expect((error as InstanceType<typeof OpenAI.APIError>).requestID).toMatch(/^req_/);
    await expect(openai.get('/jobs/job_00000000000000000000000000')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    expect((await stack.simulator.ledger()).requests).toHaveLength(2);
  });

  test('two hundred and fifty-six pixels are delivered as asked and bought once', async () => {
    const job = await stack.api.run({ model: 'dall-e-2', size: '256x256', quality: 'standard', n: 2 });
    expect(job.status).toBe('completed');
    expect(job.images.map(({ width, height }) => [width, height])).toEqual([
      [256, 256],
      [256, 256],
    ]);
    expect((await stack.simulator.ledger()).images).toHaveLength(2);
  });
});

describe('with a provider that still serves the retired models', () => {
  beforeAll(async () => {
    stack = await startTestStack({
      simulatorArgs: ['--reality', 'everything', '--link-ttl-ms', '3000'],
      env: { MODEL_POLICY: 'passthrough' },
    });
  });
  afterAll(() => stack.stop());

  test('dall-e-3 with n=4 becomes four overlapping calls of one image to dall-e-3 itself', async () => {
    await stack.simulator.fault('latency', { params: { ms: 500 } });
    const job = await stack.api.run({ model: 'dall-e-3', n: 4, size: '1024x1792', quality: 'hd', style: 'natural' });
    expect(job).toMatchObject({ status: 'completed', model: 'dall-e-3', requested_model: 'dall-e-3' });
    const ledger = await stack.simulator.ledger();
    expect(ledger.requests.map((row) => [row.model, row.n])).toEqual(Array.from({ length: 4 }, () => ['dall-e-3', 1]));
    expect(overlapMs(ledger.requests)).toBeGreaterThan(0);
    expect(job.images.map((image) => image.index)).toEqual([0, 1, 2, 3]);
    expect(job.images[0]?.revised_prompt).toContain('a white siamese cat');
    expect(job.usage.cost_usd).toBeCloseTo(4 * 0.12, 6);
    await expectBytesToBeTheUpstreams(job, ledger);
  });

  test('a caller that asks for upstream links gets Darkroom’s own, which do not die with them', async () => {
    const job = await stack.api.run({ model: 'dall-e-3', quality: 'standard', response_format: 'url' });
    expect(job.status).toBe('completed');
    expect(job.warnings.join('\n')).toContain('response_format');
    const [image] = job.images;
    expect(new URL(image?.url ?? '').pathname).toBe(`/v1/images/${image?.id}/content`);
    expect((image?.url_expires_at ?? 0) - job.created_at).toBeGreaterThan(86_000);
    await expectBytesToBeTheUpstreams(job, await stack.simulator.ledger());
  });

  test('dall-e-2 with n=10 is one call of ten images', async () => {
    const job = await stack.api.run({ model: 'dall-e-2', n: 10, size: '256x256', quality: 'standard' });
    expect(job).toMatchObject({ status: 'completed', model: 'dall-e-2' });
    const ledger = await stack.simulator.ledger();
    expect(ledger.requests.map((row) => row.n)).toEqual([10]);
    await expectBytesToBeTheUpstreams(job, ledger);
  });
});
