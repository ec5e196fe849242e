// Processes killed with SIGKILL at the worst moments, on disk and on S3. The upstream's books say what was paid: no image
// is lost, none is bought twice unless nobody can know, and then that is shown.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Job } from '../support/api.ts';
import { expectImagesToBeWhole } from '../support/images.ts';
import { type S3Process, startS3Process } from '../support/s3.ts';
import { say } from '../support/say.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

/** Short, so that a dead worker's calls are taken up soon. */
const ENV = { LOCK_DURATION_MS: '5000', MAX_ATTEMPTS: '3' };
let stack: TestStack;

beforeEach(async () => {
  await stack.reset();
  await stack.ensureWorker();
});

async function untilSent(requests: number): Promise<void> {
  await until(`${requests} requests are upstream`, async () => {
    return (await stack.simulator.ledger()).requests.length === requests;
  });
}

async function crashWorkers(env: Readonly<Record<string, string>> = {}): Promise<void> {
  await stack.killWorkers();
  await stack.stack.addWorker(env);
}

describe.each(['disk', 's3'] as const)('with images on %s', (kind) => {
  let s3: S3Process | null = null;
  beforeAll(async () => {
    s3 = kind === 's3' ? await startS3Process() : null;
    stack = await startTestStack({ env: { ...ENV, ...s3?.env } });
  });
  afterAll(async () => {
    try {
      await stack.stop();
    } finally {
      await s3?.stop();
    }
  });

  /** Whether image `index` of the job lies in storage, recorded or not. */
  async function isStored(job: Job, index: number): Promise<boolean> {
    const key = `images/default/${job.id}/${index}.png`;
    if (s3) return (await s3.keys()).some((stored) => stored.endsWith(key));
    return access(join(stack.directory, 'images', key)).then(
      () => true,
      () => false,
    );
  }

  test('a worker killed while a call hangs upstream: made once more, and the extra cost is shown', async () => {
    await stack.simulator.fault('hang', { count: 1, params: { billed: true } });
    const { id } = await stack.api.submit();
    await untilSent(1);
    await crashWorkers();
    const job = await stack.api.ended(id);
    expect(job.status).toBe('completed');
    const attempts = await stack.api.attempts(id);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'succeeded']);
    const { requests, images } = await stack.simulator.ledger();
    expect([requests.length, images.length]).toEqual([2, 2]);
    expect(job.usage.possible_extra_cost_usd).toBeGreaterThanOrEqual(images[0]?.costUsd ?? Number.NaN);
    await expectImagesToBeWhole(stack, job);
  });

  test('a worker killed between two calls of a job: the rest is made, nothing again', async () => {
    // One image a second: between two calls the worker only sleeps.
    const limits = { 'gpt-image-2.6-flare': { images_per_minute: 60, burst_seconds: 0 } };
    await stack.replaceWorkers({ LIMITS: JSON.stringify(limits) });
    const { id } = await stack.api.submit({ model: 'dall-e-3', quality: 'standard', n: 4 });
    await until('two images are there and no call is under way', async () => {
      const [job, stats] = [await stack.api.job(id), await stack.simulator.stats()];
      return job.progress.images_completed === 2 && stats.inFlight === 0;
    });
    await crashWorkers();
    const job = await stack.api.ended(id);
    expect(job.status).toBe('completed');
    const { requests, images } = await stack.simulator.ledger();
    expect([requests.length, images.length]).toEqual([4, 4]);
    expect(job.usage.possible_extra_cost_usd).toBe(0);
    await expectImagesToBeWhole(stack, job);
  });

  test('a worker killed after storing an image and before recording it: the image is found, not bought', async () => {
    await stack.simulator.fault('latency', { params: { ms: 800 } });
    const submitted = await stack.api.submit({ n: 2 });
    await untilSent(1);
    stack.redisProcess().signal('SIGSTOP');
    try {
      await until('both images lie in storage', async () => {
        return (await isStored(submitted, 0)) && (await isStored(submitted, 1));
      });
      await stack.killWorkers();
    } finally {
      stack.redisProcess().signal('SIGCONT');
    }
    expect((await stack.api.job(submitted.id)).status).toBe('in_progress');
    await stack.stack.addWorker();
    const job = await stack.api.ended(submitted.id);
    expect(job.status).toBe('completed');
    const { requests, images } = await stack.simulator.ledger();
    expect([requests.length, images.length]).toEqual([1, 2]);
    expect((await stack.api.attempts(job.id)).map(({ outcome }) => outcome)).toEqual(['succeeded']);
    expect(job.usage.possible_extra_cost_usd).toBe(0);
    await expectImagesToBeWhole(stack, job);
  });

  test('Redis killed with -9 while a call is under way: nothing is lost, nothing is bought again', async () => {
    await stack.simulator.fault('latency', { params: { ms: 1_000 } });
    const jobs = await Promise.all([stack.api.submit(), stack.api.submit({ model: 'dall-e-3', n: 3 })]);
    await untilSent(4);
    await stack.crashRedis();
    const ended = await Promise.all(jobs.map(({ id }) => stack.api.ended(id)));
    expect(ended.map((job) => job.status)).toEqual(['completed', 'completed']);
    const { requests, images } = await stack.simulator.ledger();
    expect([requests.length, images.length]).toEqual([4, 4]);
    for (const job of ended) {
      expect(job.usage.possible_extra_cost_usd).toBe(0);
      await expectImagesToBeWhole(stack, job);
    }
  });

  test('workers killed again and again under load: every job ends, every second charge is shown', async () => {
    await stack.stack.addWorker();
    await stack.simulator.fault('latency', { params: { ms: 150 } });
    const models = ['gpt-image-2', 'gpt-image-2.6-flare', 'dall-e-3', 'gpt-image-2.5-sunburst'];
    const jobs = await Promise.all(
      Array.from({ length: 16 }, (_, index) => stack.api.submit({ model: models[index % 4], quality: 'auto', n: 3 })),
    );
    for (const stored of [6, 18]) {
      await until(`${stored} images are paid`, async () => (await stack.simulator.ledger()).images.length >= stored);
      await crashWorkers();
      await stack.stack.addWorker();
    }
    const ended = await Promise.all(jobs.map(({ id }) => stack.api.ended(id, 45_000)));
    let [delivered, again, told] = [0, 0, 0];
    for (const job of ended) {
      const broken = (await stack.api.attempts(job.id)).filter(({ code }) => code === 'worker_lost');
      // Both crashes may have hit the same call: what was unknown twice is not bought a third time.
      const givenUp = broken.filter((row) =>
        broken.some(({ call, attempt }) => call === row.call && attempt < row.attempt),
      );
      const lost = new Set(givenUp.flatMap((row) => row.image_indexes));
      expect(job.errors.filter(({ index }) => !lost.has(index))).toEqual([]);
      expect(job.images).toHaveLength(3 - job.errors.length);
      delivered += job.images.length;
      again += broken.reduce((sum, attempt) => sum + attempt.image_indexes.length, 0);
      told += (job.usage.cost_usd ?? Number.NaN) + (job.usage.possible_extra_cost_usd ?? Number.NaN);
      await expectImagesToBeWhole(stack, job);
    }
    const { images } = await stack.simulator.ledger();
    expect(images.length - delivered).toBeLessThanOrEqual(again);
    expect(told).toBeGreaterThanOrEqual(images.reduce((sum, image) => sum + image.costUsd, 0) - 1e-6);
    say(
      `${kind}: ${delivered} of 48 images delivered, ${images.length} paid, ${again} in attempts shown as broken off`,
    );
  });

  test.runIf(kind === 's3')(
    'storage away when a dead worker’s images are looked for: waited for, not bought',
    async () => {
      await stack.simulator.fault('latency', { params: { ms: 800 } });
      const submitted = await stack.api.submit();
      await untilSent(1);
      stack.redisProcess().signal('SIGSTOP');
      try {
        await until('the image lies in storage', () => isStored(submitted, 0));
        await stack.killWorkers();
      } finally {
        stack.redisProcess().signal('SIGCONT');
      }
      await s3?.fault({ kind: 'status', operation: 'Get', params: { status: 503 } });
      const worker = await stack.stack.addWorker();
      await worker.line(/the image storage is away/);
      expect((await stack.simulator.ledger()).requests).toHaveLength(1);
      await s3?.clearFaults();
      const job = await stack.api.ended(submitted.id);
      expect(job.status).toBe('completed');
      expect((await stack.simulator.ledger()).images).toHaveLength(1);
      await expectImagesToBeWhole(stack, job);
    },
  );
});
