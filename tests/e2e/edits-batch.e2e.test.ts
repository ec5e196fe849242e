// Batches of edits and variations: images are fetched line by line as the batch is fed, a dead link costs its own line
// alone, and a retry makes that line once the link lives.
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../support/api.ts';
import { uploadVision } from '../support/edit-requests.ts';
import { type ImageServer, startImageServer } from '../support/image-server.ts';
import { dataUrl, GIF, png, sha256Of } from '../support/pictures.ts';
import { redisHistory } from '../support/redis-contents.ts';
import { type S3Process, startS3Process } from '../support/s3.ts';
import type { LedgerRequest } from '../support/simulator.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

type Batch = OpenAI.Batches.Batch;
type Body = Readonly<Record<string, unknown>>;
interface Line {
  readonly custom_id: string;
  readonly response: {
    readonly status_code: number;
    readonly body: { readonly data?: { readonly url?: string }[]; readonly error?: { code: string; param: string } };
  } | null;
}

const EDITS = '/v1/images/edits';
const VARIATIONS = '/v1/images/variations';
const ENDED = ['completed', 'failed', 'expired', 'cancelled'];
const URL_SECRET = 'q7Zr1-not-to-be-kept';

let [stack, s3, web]: [TestStack, S3Process, ImageServer] = [] as never;

beforeAll(async () => {
  [s3, web] = await Promise.all([startS3Process(), startImageServer()]);
  stack = await startTestStack({ env: { ...s3.env, ALLOW_PRIVATE_URLS: '127.0.0.1' } });
});
afterAll(async () => {
  try {
    await stack.stop();
  } finally {
    await Promise.all([s3.stop(), web.stop()]);
  }
});

/** An edit whose prompt is its line's id: by it the line is known in the upstream's books. */
function edit(custom_id: string, image: Body, more: Body = {}): Body {
  const body = { model: 'gpt-image-2', prompt: custom_id, size: '1024x1024', quality: 'low', images: [image], ...more };
  return { custom_id, method: 'POST', url: EDITS, body };
}

function variation(custom_id: string, image: Body, more: Body = {}): Body {
  return { custom_id, method: 'POST', url: VARIATIONS, body: { model: 'dall-e-2', images: [image], ...more } };
}

async function create(lines: readonly Body[], endpoint: string, more: Body = {}): Promise<Batch> {
  const text = lines.map((line) => JSON.stringify(line)).join('\n');
  const file = await stack.openai.files.create({
    file: await toFile(Buffer.from(text), 'in.jsonl'),
    purpose: 'batch',
  });
  return stack.openai.batches.create({
    input_file_id: file.id,
    endpoint: endpoint as '/v1/images/edits',
    completion_window: '24h',
    ...more,
  });
}

function ended({ id }: Batch): Promise<Batch> {
  return until(
    `batch ${id} has ended`,
    async () => {
      const batch = await stack.openai.batches.retrieve(id);
      return ENDED.includes(batch.status) && batch;
    },
    30_000,
  );
}

async function linesOf(fileId: string | null | undefined): Promise<Line[]> {
  if (!fileId) return [];
  const text = await (await stack.openai.files.content(fileId)).text();
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

async function requestsFor(prefix: string): Promise<LedgerRequest[]> {
  return (await stack.simulator.ledger()).requests.filter(({ prompt }) => prompt?.startsWith(prefix));
}

const idsOf = (lines: readonly Line[]): string[] => lines.map((line) => line.custom_id);
const errorsOf = (lines: readonly Line[]): unknown[] =>
  lines.map(({ custom_id, response }) => [custom_id, response?.status_code, response?.body.error?.code]);

test.concurrent('a dead link costs its own line alone; a retry makes that line when the link is back', async () => {
  const [byFile, byUrl, late, large] = [png(64), png(64), png(64), png(1_000, { isNoise: true })];
  web.put('/dead/live.png', byUrl);
  const lines = [
    edit('dead-file', { file_id: await uploadVision(stack, byFile) }),
    edit('dead-late', { image_url: `${web.url('/dead/late.png')}?sig=${URL_SECRET}` }),
    edit('dead-link', { image_url: `${web.url('/dead/live.png')}?sig=${URL_SECRET}` }, { n: 2 }),
    edit('dead-data', { image_url: dataUrl(large) }),
  ];
  const first = await ended(await create(lines, EDITS));
  expect(first).toMatchObject({ status: 'completed', request_counts: { total: 4, completed: 3, failed: 1 } });
  const output = await linesOf(first.output_file_id);
  expect(idsOf(output)).toEqual(['dead-file', 'dead-link', 'dead-data']);
  expect(output.map(({ response }) => response?.body.data?.length)).toEqual([1, 2, 1]);
  const errors = await linesOf(first.error_file_id);
  expect(errorsOf(errors)).toEqual([['dead-late', 400, 'invalid_image_url']]);
  expect(errors[0]?.response?.body.error?.param).toMatch(/^body\.images\[0\]/);
  expect(JSON.stringify(errors)).not.toContain(URL_SECRET);
  expect(web.asked('/dead/live.png')).toBe(1);
  expect(new Set((await requestsFor('dead-')).map(({ prompt }) => prompt))).toEqual(new Set(idsOf(output)));

  web.put('/dead/late.png', late);
  await stack.openai.post(`/batches/${first.id}/retry`);
  const second = await ended(first);
  expect(second).toMatchObject({ status: 'completed', request_counts: { total: 4, completed: 4, failed: 0 } });
  expect(idsOf(await linesOf(second.output_file_id))).toEqual(['dead-file', 'dead-late', 'dead-link', 'dead-data']);
  expect(await linesOf(second.error_file_id)).toEqual([]);
  expect((await requestsFor('dead-')).filter(({ prompt }) => prompt === 'dead-late')).toHaveLength(1);
  expect(await requestsFor('dead-')).toHaveLength(4);
  expect(web.asked('/dead/live.png')).toBe(1);
});

test.concurrent('a retry while the link is still dead fails that line again and buys nothing', async () => {
  const first = await ended(
    await create(
      [edit('gone-a', { image_url: web.url('/gone.png') }), edit('gone-b', { image_url: dataUrl(png(48)) })],
      EDITS,
    ),
  );
  expect(first.request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
  await stack.openai.post(`/batches/${first.id}/retry`);
  const second = await ended(first);
  expect(second).toMatchObject({ status: 'completed', request_counts: { total: 2, completed: 1, failed: 1 } });
  expect(errorsOf(await linesOf(second.error_file_id))).toEqual([['gone-a', 400, 'invalid_image_url']]);
  expect(await requestsFor('gone-')).toHaveLength(1);
});

test.concurrent('variations are a batch as well', async () => {
  web.put('/variation.png', png(64));
  const lines = [
    variation('v-link', { image_url: web.url('/variation.png') }, { n: 2, size: '512x512' }),
    variation('v-file', { file_id: await uploadVision(stack, png(64)) }),
    variation('v-data', { image_url: dataUrl(png(64)) }),
  ];
  const done = await ended(await create(lines, VARIATIONS));
  expect(done).toMatchObject({ status: 'completed', request_counts: { total: 3, completed: 3, failed: 0 } });
  expect(idsOf(await linesOf(done.output_file_id))).toEqual(['v-link', 'v-file', 'v-data']);
  const { data } = await stack.openai.get<{ data: Job[] }>(`/batches/${done.id}/jobs`);
  expect(data.map(({ operation, model }) => [operation, model])).toEqual(
    lines.map(() => ['variation', 'gpt-image-2.6-flare']),
  );
  expect(data[0]?.images.map(({ width }) => width)).toEqual([512, 512]);
});

test.concurrent('inline requests mix all three operations', async () => {
  const image = png(64);
  const requests = [
    {
      custom_id: 'i-make',
      operation: 'generation',
      body: { model: 'gpt-image-2', prompt: 'i-make', size: '1024x1024', quality: 'low' },
    },
    { custom_id: 'i-edit', operation: 'edit', body: edit('i-edit', { image_url: dataUrl(image) })['body'] },
    { custom_id: 'i-vary', operation: 'variation', body: variation('', { image_url: dataUrl(image) })['body'] },
  ];
  const created = await stack.openai.post<Batch>('/batches', { body: { requests, completion_window: '1h' } });
  const done = await ended(created);
  expect(done).toMatchObject({ status: 'completed', request_counts: { total: 3, completed: 3, failed: 0 } });
  expect(idsOf(await linesOf(done.output_file_id))).toEqual(['i-make', 'i-edit', 'i-vary']);
  const { data } = await stack.openai.get<{ data: Job[] }>(`/batches/${done.id}/jobs`);
  expect(data.map(({ operation }) => operation)).toEqual(['generation', 'edit', 'variation']);
  expect(data[1]?.input['images']).toMatchObject([{ sha256: sha256Of(image), width: 64 }]);
});

test.concurrent('no link is followed while a batch is checked, nor when only its plan is asked for', async () => {
  web.put('/checked.png', png(64));
  const lines = [edit('c-link', { image_url: web.url('/checked.png') }), edit('c-bad', {}, { n: 99 })];
  const done = await ended(await create(lines, EDITS));
  expect(done.status).toBe('failed');
  expect(done.errors?.data?.map(({ line }) => line)).toContain(2);
  const requests = [{ custom_id: 'p', operation: 'edit', body: lines[0]?.['body'] }];
  const plan = await stack.openai.post('/batches', { body: { requests, completion_window: '1h', dry_run: true } });
  expect(plan).toMatchObject({ object: 'batch.plan', request_counts: { total: 1, valid: 1, invalid: 0 }, images: 1 });
  expect(web.asked('/checked.png')).toBe(0);
  expect(await requestsFor('c-')).toEqual([]);
});

test.concurrent('images that can’t be used are told line by line, with what is wrong', async () => {
  web.put('/bad/a.gif', GIF, 'image/gif');
  const lines = [
    edit('bad-gif', { image_url: web.url('/bad/a.gif') }),
    edit('bad-file', { file_id: 'file-00000000000000000000000000' }),
    edit('bad-mask', { image_url: dataUrl(png(64)) }, { mask: { image_url: dataUrl(png(32, { alpha: 'hole' })) } }),
    edit('bad-not', { image_url: dataUrl(png(64)) }),
    edit('bad-inside', { image_url: 'http://127.0.0.2/a.png' }),
  ];
  const done = await ended(await create(lines, EDITS, { on_invalid: 'skip' }));
  expect(done).toMatchObject({ status: 'completed', request_counts: { total: 5, completed: 1, failed: 4 } });
  expect(idsOf(await linesOf(done.output_file_id))).toEqual(['bad-not']);
  expect(errorsOf(await linesOf(done.error_file_id))).toEqual([
    ['bad-gif', 400, 'unsupported_file_mimetype'],
    ['bad-file', 400, 'file_not_found'],
    ['bad-mask', 400, 'invalid_mask_image_format'],
    ['bad-inside', 400, expect.stringMatching(/^invalid_(image_url|value)$/)],
  ]);
  expect(await requestsFor('bad-')).toHaveLength(1);
});

test('no image and no secret of a link has been in Redis or in a log', () => {
  const texts = [redisHistory(stack.directory), Buffer.from(stack.lines.join('\n'))];
  for (const text of texts) {
    expect(text.includes('base64,')).toBe(false);
    expect(text.includes(URL_SECRET)).toBe(false);
  }
});
