// Batches whose lines have input images, in a whole worker: fetched when the line is fed, refused line by line, tried
// again with the batch; slow servers of callers hold up nothing else.
import { rename, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { batchJobIdOf } from '@darkroom/shared/base/ids.ts';
import { cancelBatch, retryBatch } from '@darkroom/shared/batches/steps.ts';
import { createVisionFile } from '@darkroom/shared/files/file-store.ts';
import { inputKey } from '@darkroom/shared/images/keys.ts';
import { inputsOf } from '@darkroom/shared/jobs/spec.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { picture } from '@darkroom/simulator/openai/test-kit.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ACCOUNT, openWorkerBench, type WorkerBench } from '../../testing/worker-bench.ts';

const EDITS = '/v1/images/edits';
const QUICK = { model: 'gpt-image-2.6-flare', quality: 'low', size: '1024x1024', prompt: 'winter' };
const GENERATION = ['/v1/images/generations', QUICK] as const;

let bench: WorkerBench;
let png: Buffer;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  bench = await openWorkerBench();
  png = await picture(64, 48);
});
afterAll(() => bench.close());
beforeEach(() => bench.upstream.reset());
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const dataUrl = () => `data:image/png;base64,${png.toString('base64')}`;
const edit = (imageUrl: string) => [EDITS, { ...QUICK, images: [{ image_url: imageUrl }] }] as const;
const requests = async () => (await bench.upstream.ledger()).requests;
const jobOf = (batchId: string, line: number) =>
  readJob(bench.deps.redis, bench.deps.keys, batchJobIdOf(batchId, line));

async function visionFile(bytes: Buffer) {
  const { desk } = bench.deps;
  const held = await desk.receive('file', Readable.from([bytes]), bytes.length);
  const file = await createVisionFile(bench.deps, { account: ACCOUNT, filename: 'a.png', held });
  await desk.release([held]);
  return { held, fileId: file.id };
}

describe('lines with images', () => {
  test('are fetched, sent and kept by reference', async () => {
    const url = await serve((_, reply) => reply.end(png));
    const variation = ['/v1/images/variations', { images: [{ image_url: dataUrl() }] }] as const;
    const id = await bench.submitBatch([edit(dataUrl()), edit(`${url}/a.png?token=secret`), variation, GENERATION]);
    const ended = await bench.untilBatch(id, 'completed');
    expect(ended).toMatchObject({ total: 4, completed: 4, failed: 0, errorFileId: null });
    const job = await jobOf(id, 2);
    expect(job?.spec.input).toMatchObject({ images: [{ image_url: `${url}/a.png`, content_type: 'image/png' }] });
    expect(JSON.stringify(job?.spec)).not.toContain('secret');
    expect((await requests()).map(({ operation }) => operation).toSorted()).toEqual([
      'edit',
      'edit',
      'edit',
      'generation',
    ]);
  });
});

describe('a line whose images are refused', () => {
  test('makes no job, fails, and stands in the error file with its problems; the others are made', async () => {
    const gone = await serve((_, reply) => reply.writeHead(404).end());
    const id = await bench.submitBatch([edit(`${gone}/a.png`), GENERATION, edit('data:image/png;base64,aGVsbG8=')]);
    const ended = await bench.untilBatch(id, 'completed');
    expect(ended).toMatchObject({ total: 3, completed: 1, failed: 2 });
    expect(await bench.readFile(ended.errorFileId)).toMatchObject([
      { custom_id: '1', response: { status_code: 400, body: { error: { code: 'invalid_image_url' } } } },
      { custom_id: '3', response: { status_code: 400, body: { error: { param: 'body.images[0].image_url' } } } },
    ]);
    expect([await jobOf(id, 1), await jobOf(id, 3)]).toEqual([null, null]);
    expect(await requests()).toHaveLength(1);
  });

  test.each([
    ['the image', QUICK],
    ['the image a mask is made of', { ...QUICK, model: 'dall-e-2', quality: 'standard' }],
  ])('because storage has lost %s, fails alone', async (_, body) => {
    const { held, fileId } = await visionFile(await picture(32, 32, 'png', true));
    await rm(join(bench.folder, inputKey(ACCOUNT, held.facts.sha256)));
    const id = await bench.submitBatch([[EDITS, { ...body, images: [{ file_id: fileId }] }], GENERATION]);
    const ended = await bench.untilBatch(id, 'completed');
    expect(ended).toMatchObject({ completed: 1, failed: 1 });
    expect(await bench.readFile(ended.errorFileId)).toMatchObject([
      { custom_id: '1', response: { status_code: 500, body: { error: { code: 'input_lost' } } } },
    ]);
  });

  test('is tried again with the batch, and the batch ends though all lines were refused', async () => {
    let isThere = false;
    const url = await serve((_, reply) => (isThere ? reply.end(png) : reply.writeHead(404).end()));
    const id = await bench.submitBatch([edit(`${url}/a.png`), edit(`${url}/b.png`)]);
    expect(await bench.untilBatch(id, 'completed')).toMatchObject({ completed: 0, failed: 2, outputFileId: null });
    isThere = true;
    expect(await retryBatch(bench.deps.batchSteps, await bench.batch(id))).toBe('retried');
    expect(await bench.untilBatch(id, 'completed')).toMatchObject({
      run: 2,
      completed: 2,
      failed: 0,
      errorFileId: null,
    });
    expect(await bench.deps.redis.exists(bench.deps.keys.batchUnmade(id))).toBe(0);
    expect(await requests()).toHaveLength(2);
  });
});

describe('a batch that is tried again', () => {
  const failOnce = () => bench.upstream.control('POST', '/faults', { kind: 'moderation_input', count: 1 });

  test('sends the images of failed lines again', async () => {
    await failOnce();
    const id = await bench.submitBatch([edit(dataUrl())]);
    await bench.untilBatch(id, 'completed');
    await retryBatch(bench.deps.batchSteps, await bench.batch(id));
    expect(await bench.untilBatch(id, 'completed')).toMatchObject({ run: 2, completed: 1, failed: 0 });
    expect((await jobOf(id, 1))?.run).toBe(2);
  });

  test('fetches images anew that are no longer kept', async () => {
    await failOnce();
    const id = await bench.submitBatch([edit(dataUrl())]);
    await bench.untilBatch(id, 'completed');
    const job = (await jobOf(id, 1)) ?? expect.fail();
    await rm(join(bench.folder, inputKey(ACCOUNT, inputsOf(job.spec).images[0]?.sha256 ?? '')));
    await retryBatch(bench.deps.batchSteps, await bench.batch(id));
    expect(await bench.untilBatch(id, 'completed')).toMatchObject({ run: 2, completed: 1, failed: 0 });
  });
});

describe('a server that does not answer', () => {
  test('holds up no other batch, and no cancelling', async () => {
    let asked = 0;
    const url = await serve(() => {
      asked += 1;
    });
    const slow = await bench.submitBatch([GENERATION, edit(`${url}/a.png`)]);
    await expect.poll(() => asked).toBe(1);
    const other = await bench.submitBatch([edit(dataUrl())]);
    expect(await bench.untilBatch(other, 'completed')).toMatchObject({ completed: 1 });
    expect(await bench.deps.redis.exists(bench.deps.keys.batchLease(slow))).toBe(1);
    await cancelBatch(bench.deps.batchSteps, slow);
    const ended = await bench.untilBatch(slow, 'cancelled');
    expect(ended).toMatchObject({ completed: 0, failed: 2, fedLine: 0 });
    expect((await bench.readFile(ended.errorFileId)).map(({ response }) => response)).toEqual([null, null]);
  });
});

test('storage that is away refuses nothing: the lines wait', async () => {
  const id = await bench.submitBatch([edit(dataUrl())], {});
  await rename(bench.folder, `${bench.folder}.away`);
  await expect
    .poll(async () => (await bench.deps.redis.exists(bench.deps.keys.batchLease(id))) === 1, { timeout: 5_000 })
    .toBe(true);
  await rename(`${bench.folder}.away`, bench.folder);
  expect(await bench.untilBatch(id, 'completed')).toMatchObject({ completed: 1, failed: 0 });
});
