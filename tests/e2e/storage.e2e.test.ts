// Storage that is away while paid images arrive: they are kept until it is back, and nothing is bought twice.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { expectImagesToBeWhole } from '../support/images.ts';
import { type S3Process, startS3Process } from '../support/s3.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;
let s3: S3Process;

beforeAll(async () => {
  s3 = await startS3Process();
  stack = await startTestStack({ env: s3.env });
});
beforeEach(async () => {
  await s3.clearFaults();
  await stack.reset();
});
afterAll(async () => {
  try {
    await stack.stop();
  } finally {
    await s3.stop();
  }
});

test.each([
  ['answers 503', { kind: 'status', params: { status: 503 } }],
  ['refuses with 403', { kind: 'status', params: { status: 403 } }],
  ['cuts connections', { kind: 'reset' }],
])('S3 %s for a while: the job waits, every image is stored when it is back', async (_, fault) => {
  const worker = stack.worker;
  const seen = worker.lines.length;
  // Sent while S3 was well; it is away when the answer comes.
  await stack.simulator.fault('latency', { params: { ms: 600 } });
  const jobs = await Promise.all([stack.api.submit({ n: 3 }), stack.api.submit({ model: 'dall-e-3', n: 2 })]);
  await until('all calls are upstream', async () => (await stack.simulator.ledger()).requests.length === 3);
  await s3.fault({ ...fault, operation: 'Put' });
  const spooled = (): string[] => worker.lines.slice(seen).filter((line) => line.includes('waits in the spool'));
  await until('all three answers are spooled', () => spooled().length === 3);
  for (const { id } of jobs) {
    expect(await stack.api.job(id)).toMatchObject({ status: 'in_progress', images: [] });
  }
  await s3.clearFaults();
  const ended = await Promise.all(jobs.map(({ id }) => stack.api.ended(id)));
  for (const job of ended) {
    expect(job).toMatchObject({ status: 'completed', usage: { possible_extra_cost_usd: 0 } });
    await expectImagesToBeWhole(stack, job);
  }
  const { requests, images } = await stack.simulator.ledger();
  expect([requests.length, images.length]).toEqual([3, 5]);
});

test('S3 that refuses the images of one job holds up no other; they are stored when it takes them', async () => {
  const worker = stack.worker;
  const seen = worker.lines.length;
  await stack.simulator.fault('latency', { params: { ms: 600 }, count: 1 });
  const { id } = await stack.api.submit();
  await until('the call is upstream', async () => (await stack.simulator.ledger()).requests.length === 1);
  const refusal = { status: 413, code: 'EntityTooLarge' };
  await s3.fault({ kind: 'status', params: refusal, operation: 'Put', keyContains: id });
  await until('the worker says which image it is, and why', () =>
    worker.lines.slice(seen).some((line) => line.includes('refuses a paid image') && /HTTP 413/.test(line)),
  );
  expect((await stack.api.run()).status).toBe('completed');
  expect(await stack.api.job(id)).toMatchObject({ status: 'in_progress', images: [] });
  await s3.clearFaults();
  const job = await stack.api.ended(id);
  expect(job).toMatchObject({ status: 'completed', usage: { possible_extra_cost_usd: 0 } });
  await expectImagesToBeWhole(stack, job);
  expect((await stack.simulator.ledger()).images).toHaveLength(2);
});

test('S3 that stores an object and then cuts the connection gets the same image again, not another', async () => {
  await s3.fault({ kind: 'reset_after_store', operation: 'Put', count: 2 });
  const job = await stack.api.run({ n: 2 });
  expect(job.status).toBe('completed');
  expect((await stack.simulator.ledger()).images).toHaveLength(2);
  await expectImagesToBeWhole(stack, job);
});

test('a worker told to stop while S3 is away leaves the paid image in the spool; the next one stores it', async () => {
  const worker = await stack.replaceWorkers({ SHUTDOWN_TIMEOUT_MS: '30000' });
  await stack.simulator.fault('latency', { params: { ms: 400 } });
  const { id } = await stack.api.submit();
  await until('the call is upstream', async () => (await stack.simulator.ledger()).requests.length === 1);
  await s3.fault({ kind: 'status', operation: 'Put', params: { status: 503 } });
  worker.signal('SIGTERM');
  await worker.line(/worker stops/);
  expect(await worker.exited).toEqual({ code: 0, signal: null });
  expect(await stack.api.job(id)).toMatchObject({ status: 'in_progress', images: [] });
  await s3.clearFaults();
  await stack.ensureWorker();
  expect((await stack.api.ended(id)).status).toBe('completed');
  expect((await stack.simulator.ledger()).images).toHaveLength(1);
});

test('while S3 is away readyz says so; a killed API finds everything again afterwards', async () => {
  await s3.fault({ kind: 'status', operation: 'Put', params: { status: 503 } });
  const reply = await until('readyz is 503', async () => {
    const ready = await stack.api.request('GET', '/readyz');
    return ready.status === 503 ? ready : null;
  });
  expect(reply.json).toMatchObject({ error: { code: 'unavailable' } });
  await s3.clearFaults();
  await until('readyz is 200', async () => (await stack.api.request('GET', '/readyz')).status === 200);
});

test('a worker on an S3 server without conditional puts says so at its start; on another it says nothing', async () => {
  const warning = /no conditional puts/;
  expect(stack.lines.some((line) => warning.test(line))).toBe(false);
  await s3.fault({ kind: 'overlook_conditions', operation: 'Put' });
  const worker = await stack.replaceWorkers({});
  await worker.line(warning);
  expect((await stack.api.run()).status).toBe('completed');
});
