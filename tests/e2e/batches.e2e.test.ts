// Batches with OpenAI's own SDK on real processes: as against OpenAI, and through crashes.
import OpenAI, { toFile } from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

type Batch = OpenAI.Batches.Batch;
interface Line {
  readonly custom_id: string;
  readonly response: {
    status_code: number;
    body: { data?: { url?: string; b64_json?: string }[]; error?: { code: string } };
  } | null;
  readonly error: { code: string } | null;
}

const ENDED = ['completed', 'failed', 'expired', 'cancelled'];
const BODY = { model: 'gpt-image-2', prompt: 'a cat', size: '1024x1024', quality: 'low' };

let darkroom: TestStack;

beforeAll(async () => {
  darkroom = await startTestStack({ workers: 2, env: { LOCK_DURATION_MS: '5000' } });
});
afterEach(() => darkroom.reset());
afterAll(() => darkroom.stop());

function lineOf(id: string, body: object = {}): string {
  return JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/images/generations', body: { ...BODY, ...body } });
}

async function create(lines: readonly string[], more: object = {}): Promise<Batch> {
  const { openai } = darkroom;
  const file = await openai.files.create({
    file: await toFile(Buffer.from(lines.join('\n')), 'in.jsonl'),
    purpose: 'batch',
  });
  return openai.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/images/generations',
    completion_window: '24h',
    ...more,
  });
}

function ended({ id }: Batch, timeoutMs = 60_000): Promise<Batch> {
  return until(
    `batch ${id} has ended`,
    async () => {
      const batch = await darkroom.openai.batches.retrieve(id);
      return ENDED.includes(batch.status) && batch;
    },
    timeoutMs,
  );
}

async function linesOf(fileId: string | null | undefined): Promise<Line[]> {
  if (!fileId) return [];
  const text = await (await darkroom.openai.files.content(fileId)).text();
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

async function setExpired(batchId: string): Promise<void> {
  const { redis } = darkroom;
  const root = '{darkroom}';
  await redis.hset(`${root}:batch:${batchId}`, 'expiresAt', Date.now());
  for (const id of await redis.smembers(`${root}:batch:${batchId}:open`)) {
    const state = JSON.parse((await redis.hget(`${root}:job:${id}`, 'state')) ?? '{}') as object;
    await redis.hset(`${root}:job:${id}`, 'state', JSON.stringify({ ...state, expiresAt: Date.now() }));
    await redis.zadd(`${root}:open-jobs`, Date.now(), id);
  }
}

const idsOf = (lines: readonly Line[]): string[] => lines.map((line) => line.custom_id);

describe('a batch', () => {
  test('of 1,000 lines, 5 % of them bad, ends with each custom_id once, in the order of the input', async () => {
    const lines = Array.from({ length: 1_000 }, (_, index) =>
      lineOf(`line-${index}`, index % 20 === 7 ? { size: '7x7' } : {}),
    );
    const batch = await create(lines, { on_invalid: 'skip', metadata: { run: 'thousand' } });
    expect(batch).toMatchObject({ object: 'batch', status: 'validating', metadata: { run: 'thousand' } });
    const done = await ended(batch, 100_000);
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 1_000, completed: 950, failed: 50 } });
    const [output, errors] = await Promise.all([linesOf(done.output_file_id), linesOf(done.error_file_id)]);
    const isBad = (id: string): boolean => Number(id.slice(5)) % 20 === 7;
    const all = lines.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
    expect(idsOf(output)).toEqual(all.filter((id) => !isBad(id)));
    expect(idsOf(errors)).toEqual(all.filter(isBad));
    expect(errors[0]?.response).toMatchObject({
      status_code: 400,
      body: { error: { code: 'invalid_value', param: 'body.size' } },
    });
    const url = output[0]?.response?.body.data?.[0]?.url ?? '';
    const image = await fetch(url);
    expect([image.status, image.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect((await darkroom.simulator.ledger()).images).toHaveLength(950);
  });

  test('with a bad line is refused whole by default, with line numbers, and nothing is spent', async () => {
    const batch = await create([lineOf('a'), '{"custom_id":', lineOf('a'), lineOf('d', { sise: '1' })]);
    const done = await ended(batch);
    expect(done.status).toBe('failed');
    expect(done.errors?.data?.map(({ line, code, param }) => [line, code, param])).toEqual([
      [2, 'invalid_json', null],
      [3, 'duplicate_custom_id', 'custom_id'],
      [4, 'unknown_parameter', 'body.sise'],
    ]);
    expect((await darkroom.simulator.ledger()).requests).toEqual([]);
  });

  test('that skips bad lines buys a repeated custom_id once, and keeps its input while it runs', async () => {
    await darkroom.simulator.fault('latency', { params: { ms: 500 } });
    const batch = await create([lineOf('a'), lineOf('b'), lineOf('a')], { on_invalid: 'skip' });
    const deleting = darkroom.openai.files.delete(batch.input_file_id);
    await expect(deleting).rejects.toMatchObject({ status: 409, code: 'file_in_use' });
    const done = await ended(batch);
    expect(done.request_counts).toEqual({ total: 3, completed: 2, failed: 1 });
    expect(idsOf(await linesOf(done.output_file_id))).toEqual(['a', 'b']);
    const errors = await linesOf(done.error_file_id);
    expect(errors[0]?.response?.body.error?.code).toBe('duplicate_custom_id');
    expect((await darkroom.simulator.ledger()).images).toHaveLength(2);
    expect((await darkroom.openai.files.delete(batch.input_file_id)).deleted).toBe(true);
  });

  test('whose window is over expires: what was not sent is named, what was paid is kept', async () => {
    await darkroom.simulator.fault('latency', { params: { ms: 700 } });
    const batch = await create(Array.from({ length: 100 }, (_, index) => lineOf(`e-${index}`)));
    await until(
      'some are done',
      async () => ((await darkroom.openai.batches.retrieve(batch.id)).request_counts?.completed ?? 0) > 5,
    );
    // The shortest window is an hour: the clock of the batch and its jobs is set forward instead.
    await setExpired(batch.id);
    const done = await ended(batch);
    expect(done.status).toBe('expired');
    const [output, errors] = await Promise.all([linesOf(done.output_file_id), linesOf(done.error_file_id)]);
    expect(output.length + errors.length).toBe(100);
    expect(output).toHaveLength((await darkroom.simulator.ledger()).images.length);
    expect(errors.every((line) => line.error?.code === 'batch_expired')).toBe(true);
  });

  test('puts a line that got some of its images into the output, and counts it completed', async () => {
    await darkroom.simulator.fault('moderation_input', { count: 1 });
    const done = await ended(await create([lineOf('some', { model: 'dall-e-3', n: 3, quality: 'standard' })]));
    expect(done.request_counts).toEqual({ total: 1, completed: 1, failed: 0 });
    expect(done.error_file_id).toBeNull();
    const [line] = await linesOf(done.output_file_id);
    expect(line?.response).toMatchObject({ status_code: 200, body: { status: 'incomplete' } });
    expect(line?.response?.body.data).toHaveLength(2);
  });

  test('puts a refused line into the errors', async () => {
    await darkroom.simulator.fault('moderation_input', { model: 'gpt-image-2', count: 1 });
    const done = await ended(await create([lineOf('first'), lineOf('second'), lineOf('third')]));
    expect(done.request_counts).toEqual({ total: 3, completed: 2, failed: 1 });
    const errors = await linesOf(done.error_file_id);
    expect(errors).toHaveLength(1);
    expect(errors[0]?.response).toMatchObject({ status_code: 400, body: { error: { code: 'moderation_blocked' } } });
  });

  test('carries the images themselves when a line asks for b64_json', async () => {
    const done = await ended(await create([lineOf('bytes', { response_format: 'b64_json' })]));
    const [line] = await linesOf(done.output_file_id);
    const bytes = Buffer.from(line?.response?.body.data?.[0]?.b64_json ?? '', 'base64');
    expect(bytes.subarray(1, 4).toString()).toBe('PNG');
  });

  test('is listed and found as with OpenAI, its jobs too', async () => {
    const done = await ended(await create([lineOf('a'), lineOf('b')]));
    const page = await darkroom.openai.batches.list({ limit: 1 });
    expect(page.data[0]?.id).toBe(done.id);
    const jobs = (await darkroom.openai.get(`/batches/${done.id}/jobs`)) as {
      data: { custom_id: string; batch_id: string }[];
    };
    expect(jobs.data.map((job) => [job.custom_id, job.batch_id])).toEqual([
      ['a', done.id],
      ['b', done.id],
    ]);
    await expect(darkroom.openai.batches.retrieve('batch_nope')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test('takes its requests inline, and tells what it would cost without doing it', async () => {
    const requests = [{ custom_id: 'x', operation: 'generation', body: BODY }];
    const plan = await darkroom.openai.post('/batches', { body: { requests, completion_window: '1h', dry_run: true } });
    expect(plan).toMatchObject({ object: 'batch.plan', request_counts: { total: 1, valid: 1, invalid: 0 }, images: 1 });
    const batch = (await darkroom.openai.post('/batches', { body: { requests, completion_window: '1h' } })) as Batch;
    expect(batch).toMatchObject({ input_file_id: null, completion_window: '1h' });
    expect(await ended(batch)).toMatchObject({
      status: 'completed',
      request_counts: { total: 1, completed: 1, failed: 0 },
    });
  });

  test('that is cancelled keeps what is paid and names what was not made', async () => {
    await darkroom.simulator.fault('latency', { params: { ms: 300 } });
    const batch = await create(Array.from({ length: 120 }, (_, index) => lineOf(`c-${index}`)));
    await until(
      'some are done',
      async () => ((await darkroom.openai.batches.retrieve(batch.id)).request_counts?.completed ?? 0) > 5,
    );
    expect((await darkroom.openai.batches.cancel(batch.id)).status).toMatch(/cancel/);
    const done = await ended(batch);
    expect(done.status).toBe('cancelled');
    const [output, errors] = await Promise.all([linesOf(done.output_file_id), linesOf(done.error_file_id)]);
    expect(output.length + errors.length).toBe(120);
    expect(output).toHaveLength((await darkroom.simulator.ledger()).images.length);
    expect(errors.every((line) => line.error?.code === 'batch_cancelled')).toBe(true);
  });

  test('runs its failed lines again, buys only those, and writes new files', async () => {
    await darkroom.simulator.fault('moderation_input', { model: 'gpt-image-2', count: 2 });
    const first = await ended(await create(Array.from({ length: 6 }, (_, index) => lineOf(`r-${index}`))));
    expect(first.request_counts).toMatchObject({ completed: 4, failed: 2 });
    await darkroom.openai.post(`/batches/${first.id}/retry`);
    const second = await ended(first);
    expect(second).toMatchObject({ status: 'completed', request_counts: { total: 6, completed: 6, failed: 0 } });
    expect(second.output_file_id).not.toBe(first.output_file_id);
    expect(await linesOf(second.output_file_id)).toHaveLength(6);
    expect((await darkroom.simulator.ledger()).images).toHaveLength(6);
  });
});

describe('crashes in the middle of a batch', () => {
  test('of every worker and of the API lose and repeat no line', async () => {
    await darkroom.simulator.fault('latency', { params: { ms: 100 } });
    const ids = Array.from({ length: 600 }, (_, index) => `k-${index}`);
    const batch = await create(ids.map((id) => lineOf(id, { prompt: id })));
    const completed = async (): Promise<number> =>
      (await darkroom.openai.batches.retrieve(batch.id)).request_counts?.completed ?? 0;
    await until('it is being fed', async () => (await completed()) > 60);
    await darkroom.killWorkers();
    await darkroom.stack.api.kill();
    await darkroom.stack.restartApi();
    await darkroom.stack.addWorker();
    await until('it goes on', async () => (await completed()) > 300, 60_000);
    await darkroom.killWorkers();
    await darkroom.stack.addWorker();
    await darkroom.stack.addWorker();
    const done = await ended(batch, 100_000);
    const [output, errors] = await Promise.all([linesOf(done.output_file_id), linesOf(done.error_file_id)]);
    expect(done).toMatchObject({
      status: 'completed',
      request_counts: { total: 600, completed: output.length, failed: errors.length },
    });
    expect([...idsOf(output), ...idsOf(errors)].toSorted()).toEqual(ids.toSorted());
    // A call in flight at a kill has an unknown outcome and is made once more; in flight at both kills, it fails and says so.
    const { requests } = await darkroom.simulator.ledger();
    const calls = Map.groupBy(requests, ({ prompt }) => prompt);
    expect(errors.every(({ response }) => response?.body.error?.code === 'outcome_unknown')).toBe(true);
    expect(idsOf(errors).filter((id) => calls.get(id)?.length !== 2)).toEqual([]);
    expect(ids.filter((id) => (calls.get(id)?.length ?? 0) > 2)).toEqual([]);
    expect(ids.filter((id) => calls.get(id)?.length === 2).length).toBeLessThanOrEqual(2 * 40);
    expect(errors.length).toBeLessThanOrEqual(20);
  });
});
