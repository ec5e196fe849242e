// Calls with input images in a whole worker: from storage to the upstream, and what happens when they can't be had.
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { newJobId } from '@darkroom/shared/base/ids.ts';
import { inputKey, provenanceKey } from '@darkroom/shared/images/keys.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { JobSpec } from '@darkroom/shared/jobs/spec.ts';
import { submitSpec } from '@darkroom/shared/jobs/submit.ts';
import { TEST_SPEC } from '@darkroom/shared/jobs/test-spec.ts';
import type { InputRef } from '@darkroom/shared/requests/inputs.ts';
import { picture } from '@darkroom/simulator/openai/test-kit.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ACCOUNT, openWorkerBench, type WorkerBench } from '../testing/worker-bench.ts';

let bench: WorkerBench;
let png: InputRef;
let mask: InputRef;

beforeAll(async () => {
  bench = await openWorkerBench();
  mask = await bench.keep(await picture(64, 48, 'png', true));
});
afterAll(() => bench.close());
beforeEach(async () => {
  await bench.upstream.reset();
  png = await bench.keep(await picture(64, 48));
});

const MODEL = 'gpt-image-2.6-flare';

function edit(changes: Partial<JobSpec> = {}): JobSpec {
  const body = { model: MODEL, prompt: 'winter', size: '1024x1024', images: [png] };
  return {
    ...TEST_SPEC,
    account: ACCOUNT,
    operation: 'edit',
    sentAs: 'edit',
    model: MODEL,
    lane: MODEL,
    input: body,
    body,
    ...changes,
  };
}

async function run(spec: JobSpec): Promise<JobRecord> {
  const { id } = await submitSpec(bench.deps.submit, newJobId(), spec, null);
  return bench.untilJob(id, hasEnded);
}

const requests = async () => (await bench.upstream.ledger()).requests;

describe('an edit', () => {
  test('is made, and its row says what `auto` became and how many tokens were images', async () => {
    const job = await run(edit({ body: { ...edit().body, images: [png, png], mask }, calls: [[0, 1], [2]] }));
    expect(job).toMatchObject({ status: 'completed' });
    expect(await requests()).toMatchObject([{ operation: 'edit' }, { operation: 'edit' }]);
    for (const row of job.attempts) {
      const usage = (await requests()).find(({ id }) => id === row.requestId)?.usage;
      expect(row.inputImageTokens).toBe(usage?.input_tokens_details.image_tokens);
      expect(row.inputTokens).toBe(usage?.input_tokens);
      expect(row.echo).toEqual({ background: 'opaque', quality: expect.stringMatching(/^(low|medium|high)$/) });
    }
    expect(bench.deps.inputRoom.taken).toBe(0);
  });

  test('leaves a provenance that names its inputs by hash', async () => {
    const job = await run(edit({ operation: 'variation' }));
    const key = job.images.get(0)?.key ?? expect.fail();
    const bytes = await bench.deps.store.read(provenanceKey(key));
    expect(JSON.parse(Buffer.from(bytes ?? []).toString())).toMatchObject({
      operation: 'variation',
      sent_as: 'edit',
      request: { prompt: 'winter', images: [png] },
    });
  });

  test('asked at 512 px is scaled down', async () => {
    const job = await run(edit({ downscaleTo: { width: 512, height: 512 } }));
    expect(job.images.get(0)).toMatchObject({ width: 512, height: 512 });
  });

  test('of a model that has variations is sent as one', async () => {
    const square = await bench.keep(await picture(64, 64, 'png', true));
    const body = { model: 'dall-e-2', size: '256x256', response_format: 'b64_json', images: [square] };
    const job = await run(
      edit({ operation: 'variation', sentAs: 'variation', model: 'dall-e-2', lane: 'dall-e-2', body }),
    );
    expect(job.status).toBe('completed');
    expect(await requests()).toMatchObject([{ operation: 'variation', outcome: 'answered' }]);
  });
});

describe('an input that is gone', () => {
  const lose = () => rm(join(bench.folder, inputKey(ACCOUNT, png.sha256)));

  test('fails every call for good, without an attempt', async () => {
    await lose();
    const job = await run(edit({ body: { ...edit().body, images: [mask, png] }, calls: [[0], [1]] }));
    expect(job).toMatchObject({ status: 'failed', attempts: [] });
    expect(job.calls.map((call) => call.error)).toMatchObject([
      { code: 'input_lost', param: 'images[1]', status: 500 },
      { code: 'input_lost', param: 'images[1]', status: 500 },
    ]);
    expect(await requests()).toEqual([]);
  });

  test('or is not what it was, is not sent', async () => {
    await bench.deps.store.put(inputKey(ACCOUNT, png.sha256), Buffer.from('another'), { contentType: 'image/png' });
    const job = await run(edit({ body: { ...edit().body, mask: png } }));
    expect(job.calls[0]?.error).toMatchObject({ code: 'input_lost', param: 'images[0]' });
    await lose();
  });
});

test('while storage is away the call waits, and nothing is spent', async () => {
  const errors = async () => (await bench.deps.metrics.storageErrors.get()).values[0]?.value ?? 0;
  const before = await errors();
  await rename(bench.folder, `${bench.folder}.away`);
  const { id } = await submitSpec(bench.deps.submit, newJobId(), edit(), null);
  await expect.poll(errors, { timeout: 10_000 }).toBeGreaterThan(before);
  await rename(`${bench.folder}.away`, bench.folder);
  const job = await bench.untilJob(id, hasEnded);
  expect(job).toMatchObject({ status: 'completed', attempts: [{ outcome: 'succeeded' }] });
  expect(await requests()).toHaveLength(1);
});

test('calls that wait for room in this process do not keep the places of others', async () => {
  const held = await bench.deps.inputRoom.take('another', new AbortController().signal, Number.POSITIVE_INFINITY);
  const places = Math.floor(0.9 * bench.deps.config.WORKER_CONCURRENCY);
  const calls = Array.from({ length: places }, (_, index) => [index]);
  const { id } = await submitSpec(bench.deps.submit, newJobId(), edit({ calls }), null);
  await expect.poll(() => bench.deps.slots.taken).toBe(places);
  const { images: _, ...body } = edit().body;
  const other = {
    operation: 'generation',
    sentAs: 'generation',
    model: 'gpt-image-1.5',
    lane: 'gpt-image-1.5',
  } as const;
  expect(await run(edit({ ...other, input: body, body: { ...body, model: other.model } }))).toMatchObject({
    status: 'completed',
  });
  held.free();
  expect(await bench.untilJob(id, hasEnded)).toMatchObject({ status: 'completed' });
});
