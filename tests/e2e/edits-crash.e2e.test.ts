// Processes killed, files deleted and storage taken away while edits are on their way: nothing is lost, nothing is bought
// twice unless nobody can know, and no half-taken image makes a job.

import { readdirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { errorOf, type Job, type Reply } from '../support/api.ts';
import { editOf, requestsOf, runWith, submitWith, uploadVision } from '../support/edit-requests.ts';
import { type ImageServer, startImageServer } from '../support/image-server.ts';
import { expectImagesToBeWhole } from '../support/images.ts';
import { dataUrl, png, sha256Of } from '../support/pictures.ts';
import { openForm } from '../support/raw-form.ts';
import { type S3Process, startS3Process } from '../support/s3.ts';
import { breakObjects, breakReading, timesActed } from '../support/s3-faults.ts';
import type { Ledger } from '../support/simulator.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { storedKeys } from '../support/stored-keys.ts';
import { until } from '../support/until.ts';
import { expectMoneyToAddUp } from '../support/verdict-row.ts';

/** Short, so that a dead worker's calls are taken up soon. */
const ENV = { LOCK_DURATION_MS: '2000' };

describe.each(['disk', 's3'] as const)('with inputs on %s', (kind) => {
  let [stack, s3, web, temp]: [TestStack, S3Process | null, ImageServer, string] = [] as never;
  let endless: (() => Promise<Reply>) | null = null;
  beforeAll(async () => {
    temp = await mkdtemp(join(tmpdir(), 'darkroom-e2e-temp-'));
    web = await startImageServer();
    s3 = kind === 's3' ? await startS3Process() : null;
    stack = await startTestStack({ env: { ...ENV, TMPDIR: temp, ALLOW_PRIVATE_URLS: '127.0.0.1', ...s3?.env } });
    if (s3) endless = await askForEndless();
  });
  /** Asks for an edit of what never ends, at an API process that is left alone; begun first, looked at last. */
  async function askForEndless(): Promise<() => Promise<Reply>> {
    const api = await stack.addApi();
    const body = editOf({ prompt: 'endless', images: [{ image_url: web.trickle('/endless.png') }] });
    const reply = api.request('POST', '/v1/jobs', { body });
    return () => reply;
  }

  beforeEach(async () => {
    await s3?.clearFaults();
    await stack.reset();
    await stack.ensureWorker();
  });
  afterAll(async () => {
    try {
      await stack.stop();
    } finally {
      await Promise.all([s3?.stop(), web.stop(), rm(temp, { recursive: true, force: true })]);
    }
  });

  const one = (bytes: Buffer): Record<string, unknown> => ({ images: [{ image_url: dataUrl(bytes) }] });

  async function untilSent(prompt: string): Promise<void> {
    await until(`${prompt} is upstream`, async () => (await requestsOf(stack, prompt)).length === 1);
  }

  /** Images of this job can't be stored until the returned function is called. */
  async function blockImagesOf({ id }: Job): Promise<() => Promise<void>> {
    if (s3) {
      await breakObjects(s3, { kind: 'status', operation: 'Put', keyContains: id, params: { status: 403 } });
      return async () => s3?.clearFaults();
    }
    // A file where the job's folder has to be.
    const place = join(stack.directory, 'images', 'images', 'default', id);
    await mkdir(dirname(place), { recursive: true });
    await writeFile(place, '');
    return () => rm(place);
  }

  /** What lay in storage under a hash is there no more. */
  async function loseInput(bytes: Buffer): Promise<void> {
    const key = `inputs/default/${sha256Of(bytes)}`;
    expect(await storedKeys(stack.directory, s3, 'inputs/')).toContain(key);
    if (s3) await breakReading(s3, 'not_found', key);
    else await rm(join(stack.directory, 'images', key));
  }

  /** What was asked and paid with this prompt. */
  async function ownLedger(prompt: string): Promise<Ledger> {
    const { requests, images } = await stack.simulator.ledger();
    const own = requests.filter((row) => row.prompt === prompt);
    const ids = new Set(own.map(({ id }) => id));
    return { requests: own, images: images.filter(({ requestId }) => ids.has(requestId)) };
  }

  async function expectTwoPurchases(job: Job, prompt: string, attempts: readonly object[]): Promise<void> {
    expect(job).toMatchObject({ status: 'completed', errors: [] });
    expect(await stack.api.attempts(job.id)).toMatchObject(attempts);
    const { requests, images } = await ownLedger(prompt);
    expect([requests.length, images.length]).toEqual([2, 2]);
    await expectImagesToBeWhole(stack, job);
  }

  async function jobCount(): Promise<number> {
    return (await stack.redis.keys('*:job:*')).length;
  }

  function temporaryBytes(): number {
    const files = readdirSync(temp, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  }

  test('a worker killed with one edit sent and one answered, not stored: the one is made once more, the other is in the spool', async () => {
    const [sent, answered] = [`sent on ${kind}`, `answered on ${kind}`];
    await stack.simulator.fault('hang', { model: 'gpt-image-2', count: 1, params: { billed: true } });
    await stack.simulator.fault('latency', { model: 'gpt-image-2.5-flare', count: 1, params: { ms: 500 } });
    const images = [png(64), png(64)].map((bytes) => ({ image_url: dataUrl(bytes) }));
    const jobs = await Promise.all([
      submitWith(stack, editOf({ prompt: sent, images })),
      submitWith(stack, editOf({ prompt: answered, images, model: 'gpt-image-2.5-flare' })),
    ]);
    await Promise.all([untilSent(sent), untilSent(answered)]);
    const { worker } = stack;
    const unblock = await blockImagesOf(jobs[1]);
    await worker.line(/a paid answer waits in the spool/);
    await stack.killWorkers();
    await unblock();
    await stack.stack.addWorker();
    const [first, second] = await Promise.all(jobs.map(({ id }) => stack.api.ended(id)));
    // Nobody knows of the one sent.
    await expectTwoPurchases(first as Job, sent, [
      { outcome: 'unknown', code: 'worker_lost' },
      { outcome: 'succeeded', code: null },
    ]);
    expect(first?.usage.possible_extra_cost_usd).not.toBe(0);
    expect(second).toMatchObject({ status: 'completed', errors: [] });
    expect(await stack.api.attempts(second?.id ?? '')).toMatchObject([{ outcome: 'succeeded', code: null }]);
    await expectImagesToBeWhole(stack, second as Job);
    expect(second?.usage.possible_extra_cost_usd).toBe(0);
    expectMoneyToAddUp({ job: second as Job, ledger: await ownLedger(answered) });
  });

  test.runIf(kind === 'disk')('an edit whose outcome is unknown twice is not bought a third time', async () => {
    const prompt = `twice on ${kind}`;
    await stack.simulator.fault('hang', { count: 2, params: { billed: true } });
    const { id } = await submitWith(stack, editOf({ prompt, ...one(png(64)) }));
    for (const times of [1, 2]) {
      await until(`it is sent ${times} times`, async () => (await requestsOf(stack, prompt)).length === times);
      await stack.killWorkers();
      await stack.stack.addWorker();
    }
    const job = await stack.api.ended(id);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } });
    expect(await requestsOf(stack, prompt)).toHaveLength(2);
    expect(job.usage.possible_extra_cost_usd).not.toBe(0);
  });

  test('an input gone from storage before its call: the job fails by name, and nothing is charged', async () => {
    const prompt = `lost on ${kind}`;
    const image = png(64);
    await stack.killWorkers();
    const { id } = await submitWith(stack, editOf({ prompt, n: 2, ...one(image) }));
    await loseInput(image);
    await stack.stack.addWorker();
    const job = await stack.api.ended(id);
    expect(job).toMatchObject({ status: 'failed', images: [], usage: { cost_usd: 0, possible_extra_cost_usd: 0 } });
    expect(job.errors.map(({ index, code }) => [index, code])).toEqual([
      [0, 'input_lost'],
      [1, 'input_lost'],
    ]);
    const retried = await stack.api.request('POST', `/v1/jobs/${id}/retry`);
    expect(errorOf(retried).code).toBe('input_lost');
    expect((await stack.api.job(id)).status).toBe('failed');
    expect(await requestsOf(stack, prompt)).toEqual([]);
    // Sent again, the same picture is taken anew.
    await s3?.clearFaults();
    if (kind === 'disk') expect((await runWith(stack, editOf({ prompt, ...one(image) }))).status).toBe('completed');
  });

  test('a vision file deleted once the job is accepted: the job still has it', async () => {
    const prompt = `deleted on ${kind}`;
    const image = png(64);
    await stack.killWorkers();
    const file_id = await uploadVision(stack, image);
    const { id } = await submitWith(stack, editOf({ prompt, images: [{ file_id }] }));
    expect((await stack.openai.files.delete(file_id)).deleted).toBe(true);
    await stack.stack.addWorker();
    expect((await stack.api.ended(id)).status).toBe('completed');
  });

  test.runIf(kind === 's3')(
    'storage away when a call wants its inputs: nothing is spent until it is back',
    async () => {
      const prompt = 'away';
      await stack.killWorkers();
      const { id } = await submitWith(stack, editOf({ prompt, ...one(png(64)) }));
      await breakReading(s3 as S3Process, 'status', 'inputs/');
      await stack.stack.addWorker();
      await until('the worker has asked for it, and again later', async () => (await timesActed(s3 as S3Process)) >= 2);
      expect(['queued', 'in_progress']).toContain((await stack.api.job(id)).status);
      expect(await stack.api.attempts(id)).toEqual([]);
      expect(await requestsOf(stack, prompt)).toEqual([]);
      await s3?.clearFaults();
      const job = await stack.api.ended(id, 30_000);
      expect(job).toMatchObject({ status: 'completed', usage: { possible_extra_cost_usd: 0 } });
      expect(await requestsOf(stack, prompt)).toHaveLength(1);
    },
  );

  test.runIf(kind === 's3')(
    'storage away when an input is to be kept: 503, no job, and later the same is taken',
    async () => {
      const [jobs, body] = [await jobCount(), editOf({ prompt: 'not kept', ...one(png(64)) })];
      const away = { kind: 'status', operation: 'Put', keyContains: 'inputs/', params: { status: 403 } } as const;
      await breakObjects(s3 as S3Process, away);
      const reply = await stack.api.request('POST', '/v1/jobs', { body });
      expect([reply.status, errorOf(reply).code]).toEqual([503, 'unavailable']);
      expect(await jobCount()).toBe(jobs);
      await s3?.clearFaults();
      expect((await runWith(stack, body)).status).toBe('completed');
      expect(await requestsOf(stack, 'not kept')).toHaveLength(1);
    },
  );

  test('the API killed in the middle of an upload: no job, no input, no more than a temporary file', async () => {
    const [jobs, keys] = [await jobCount(), await storedKeys(stack.directory, s3, '')];
    const form = openForm(`${stack.stack.apiUrl}/v1/images/edits`, { model: 'gpt-image-2', prompt: 'half' });
    const image = png(2_000, { isNoise: true });
    await form.write(image.subarray(0, image.length / 2));
    await until('half of it has arrived', () => temporaryBytes() >= image.length / 4);
    await stack.stack.api.kill();
    expect(await form.reply).toBeNull();
    form.abort();
    await stack.stack.restartApi();
    expect([await jobCount(), await storedKeys(stack.directory, s3, '')]).toEqual([jobs, keys]);
    expect((await stack.simulator.ledger()).requests).toEqual([]);
    expect((await runWith(stack, editOf({ prompt: 'after', ...one(png(64)) }))).status).toBe('completed');
  });

  test.runIf(kind === 's3')(
    'the API killed after storing an input, before recording the job: no job, and it is swept later',
    async () => {
      const [jobs, image] = [await jobCount(), png(64)];
      const key = `inputs/default/${sha256Of(image)}`;
      const isStored = async (): Promise<boolean> => (await storedKeys(stack.directory, s3, 'inputs/')).includes(key);
      // Stored, but never told so: the next try hangs.
      const put = { operation: 'Put', keyContains: key } as const;
      await breakObjects(
        s3 as S3Process,
        { ...put, kind: 'reset_after_store', count: 1 },
        { ...put, kind: 'hang', after: 1 },
      );
      const body = editOf({ prompt: 'cut off', ...one(image) });
      const lost = stack.api.request('POST', '/v1/jobs', { body }).catch(() => null);
      await until('the input is stored', isStored);
      await stack.stack.api.kill();
      expect(await lost).toBeNull();
      await s3?.clearFaults();
      await stack.stack.restartApi();
      expect(await jobCount()).toBe(jobs);
      // It is on the list of what is removed when its time is over.
      const due = Number(await stack.redis.zscore('{darkroom}:inputs', `default/${sha256Of(image)}`));
      expect(due).toBeGreaterThan(Date.now());
      expect(due).toBeLessThan(Date.now() + 40 * 86_400_000);
      expect(await requestsOf(stack, 'cut off')).toEqual([]);
      expect((await runWith(stack, editOf({ prompt: 'whole', ...one(image) }))).status).toBe('completed');
    },
  );

  test.runIf(kind === 's3')('a server that never ends its answer is given up on', async () => {
    const reply = await endless?.();
    expect([reply?.status, reply && errorOf(reply).code]).toEqual([400, 'invalid_image_url']);
    expect(web.asked('/endless.png')).toBe(1);
    expect(await requestsOf(stack, 'endless')).toEqual([]);
  });
});
