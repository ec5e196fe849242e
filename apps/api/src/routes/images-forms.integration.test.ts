import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canvas, withAlpha } from '@darkroom/shared/inputs/test-images.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob, newestJob } from '../testing/finish-job.ts';
import { encodeForm, headOf, httpChunk, type Part, postForm, rawUploadHead } from '../testing/forms.ts';
import { SHOP_KEY, startApi, type TestApi } from '../testing/start-api.ts';

const EDITS = '/v1/images/edits';
const VARIATIONS = '/v1/images/variations';
const BOUNDARY = 'darkroom-boundary';
const ASYNC = { prefer: 'respond-async' };
const PATIENT = { timeout: 10_000 };

let api: TestApi;
let [png, other, mask]: [Buffer, Buffer, Buffer] = [] as never;

beforeAll(async () => {
  api = await startApi({ MAX_UPLOAD_BYTES: '2000000' });
  [png, other] = await Promise.all([canvas(64, 64).png().toBuffer(), canvas(32, 48).png().toBuffer()]);
  mask = await withAlpha(
    64,
    64,
    Array.from({ length: 4_096 }, (_, at) => (at < 2_048 ? 0 : 255)),
  );
});
afterAll(() => api.close());

/** Temporary files of this process's forms. */
async function leftBehind(): Promise<string[]> {
  const folders = (await readdir(tmpdir())).filter((name) => name.startsWith(`darkroom-inputs-${process.pid}-`));
  expect(folders).not.toEqual([]);
  return (await Promise.all(folders.map((name) => readdir(join(tmpdir(), name))))).flat();
}

const jobsMade = () => api.deps.redis.zcard(api.deps.keys.accountJobs('shop'));
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const field = (name: string, value: string): Part => ({ name, value });
const file = (name: string, value: Buffer, type = 'image/png'): Part => ({ name, filename: 'a.png', type, value });
const FIELDS = [field('model', 'gpt-image-2'), field('prompt', 'the same in winter')];
const post = (path: string, parts: readonly Part[], headers: Record<string, string> = ASYNC) =>
  postForm(api, parts, BOUNDARY, path, headers);

/** The job a form has made: its spec, and the input images found in storage by their hashes. */
async function jobOf(id: string) {
  const record = (await readJob(api.deps.redis, api.deps.keys, id)) ?? expect.fail();
  const { spec } = record;
  const images = spec.body['images'] as { sha256: string }[];
  for (const image of images) expect(await api.deps.store.head(`inputs/shop/${image.sha256}`)).not.toBeNull();
  return { spec, images: images.map((image) => image.sha256) };
}

describe('an edit as a form', () => {
  it('is a job with its images in storage, and is answered like any other', async () => {
    const jobs = await jobsMade();
    const reply = post(EDITS, [...FIELDS, field('n', '2'), file('image', png), file('mask', mask)], {});
    const id = await newestJob(api.deps, jobs + 1);
    await completeJob(api.deps, id);
    const { status, json, headers } = await reply;
    expect([status, json.data.length, headers.get('x-darkroom-job-id')]).toEqual([200, 2, id]);
    const { spec, images } = await jobOf(id);
    expect(images).toEqual([sha256(png)]);
    expect(spec).toMatchObject({ operation: 'edit', input: { prompt: 'the same in winter', n: 2 }, calls: [[0, 1]] });
    expect(spec.body['mask']).toMatchObject({ sha256: sha256(mask), width: 64, height: 64 });
  });

  const orders: [string, () => Part[]][] = [
    ['fields first', () => [...FIELDS, file('image[]', png), file('image[]', other)]],
    ['fields last', () => [file('image[]', png), file('image[]', other), ...FIELDS]],
    ['fields between', () => [file('image[]', png), ...FIELDS, file('image[]', other)]],
    ['the same name twice', () => [file('image', png), file('image', other), ...FIELDS]],
    ['both names', () => [file('image', png), file('image[]', other), ...FIELDS]],
  ];
  it.each(orders)('takes parts in any order: %s', async (_what, parts) => {
    const { status, json } = await post(EDITS, parts());
    expect(status).toBe(202);
    expect((await jobOf(json.id)).images).toEqual([sha256(png), sha256(other)]);
  });

  it('takes sixteen images', async () => {
    const { json } = await post(EDITS, [...FIELDS, ...Array.from({ length: 16 }, () => file('image[]', png))]);
    expect((await jobOf(json.id)).images).toHaveLength(16);
  });

  it.each(['a', '--', "b'()+_,-./:=?", 'x'.repeat(70)])('takes the boundary %s', async (boundary) => {
    const reply = await postForm(api, [...FIELDS, file('image', png)], boundary, EDITS, ASYNC);
    expect((await jobOf(reply.json.id)).images).toEqual([sha256(png)]);
  });

  it('takes Darkroom’s own fields', async () => {
    const own = [field('metadata[order]', '42'), field('priority', 'low'), field('expires_after', '60')];
    const { json } = await post(EDITS, [...FIELDS, ...own, file('image', png)]);
    expect(json).toMatchObject({ metadata: { order: '42' }, priority: 'low' });
  });

  it('makes the mask of DALL·E 2 from the image’s own transparency', async () => {
    const { json } = await post(EDITS, [field('model', 'dall-e-2'), field('prompt', 'x'), file('image', mask)]);
    expect((await jobOf(json.id)).spec.body['mask']).toMatchObject({
      width: 64,
      height: 64,
      content_type: 'image/png',
    });
  });

  it('with a part without a name is refused', async () => {
    const { status, json } = await post(EDITS, [...FIELDS, file('image', png), { value: 'x' }]);
    expect([status, json.error.code]).toEqual([400, 'unknown_parameter']);
  });

  const unread: [string, () => Part][] = [
    ['a field twice', () => field('prompt', 'something else')],
    ['an image as text', () => field('image', 'not a file')],
    ['a file without a name', () => ({ filename: 'a.png', value: png })],
  ];
  it.each(unread)('with %s is refused, though the rest of it was asked before', async (_what, part) => {
    const parts = [...FIELDS, file('image', png)];
    const key = { ...ASYNC, 'idempotency-key': 'read-to-its-end' };
    await post(EDITS, parts, key);
    await post(EDITS, parts);
    for (const headers of [key, { ...ASYNC, 'x-stainless-retry-count': '1' }]) {
      const { status, json } = await post(EDITS, [...parts, part()], headers);
      expect([status, json.error?.type]).toEqual([400, 'invalid_request_error']);
    }
    expect(await leftBehind()).toEqual([]);
  });

  it('is replayed by its key and joined by its retry, whatever the order of its fields', async () => {
    const parts = [file('image', png), field('prompt', 'replay'), field('model', 'gpt-image-2')];
    const key = { ...ASYNC, 'idempotency-key': 'form-1' };
    const [first, again] = [await post(EDITS, parts, key), await post(EDITS, parts.toReversed(), key)];
    expect([again.headers.get('idempotent-replayed'), again.json.id]).toEqual(['true', first.json.id]);
    const otherImage = await post(EDITS, [file('image', other), ...parts.slice(1)], key);
    expect(otherImage.status).toBe(422);
    await expect.poll(leftBehind, PATIENT).toEqual([]);
  });
});

describe('a variation as a form', () => {
  it('is an edit with a prompt', async () => {
    const { status, json } = await post(VARIATIONS, [file('image', png), field('n', '2'), field('size', '512x512')]);
    expect([status, json.operation, json.model]).toEqual([202, 'variation', 'gpt-image-2.6-flare']);
    const { spec, images } = await jobOf(json.id);
    expect([spec.sentAs, images, spec.body['prompt']]).toEqual([
      'edit',
      [sha256(png)],
      expect.stringMatching(/variation/),
    ]);
  });
});

const large = (): Buffer => Buffer.concat([png, Buffer.alloc(2_000_000)]);

describe('a refused form', () => {
  const cases: [string, string, () => Part[], number, string, string | null][] = [
    ['no image', EDITS, () => FIELDS, 400, 'missing_required_parameter', 'image'],
    ['no prompt', EDITS, () => [file('image', png)], 400, 'missing_required_parameter', 'prompt'],
    [
      'a wrong field',
      EDITS,
      () => [...FIELDS, field('n', '11'), file('image', png)],
      400,
      'integer_above_max_value',
      'n',
    ],
    [
      'an unknown field',
      EDITS,
      () => [...FIELDS, field('promt', 'x'), file('image', png)],
      400,
      'unknown_parameter',
      'promt',
    ],
    [
      'an unknown file',
      EDITS,
      () => [...FIELDS, file('image', png), file('imag', png)],
      400,
      'unknown_parameter',
      'imag',
    ],
    ['a nameless file', EDITS, () => [...FIELDS, file('image', png), file('', png)], 400, 'unknown_parameter', ''],
    ['a prompt as a file', EDITS, () => [file('prompt', png), file('image', png)], 400, 'invalid_type', 'prompt'],
    ['an image as text', EDITS, () => [...FIELDS, field('image', 'x')], 400, 'invalid_type', 'image'],
    [
      'two masks',
      EDITS,
      () => [...FIELDS, file('image', png), file('mask', mask), file('mask', mask)],
      400,
      'invalid_value',
      'mask',
    ],
    [
      'a prompt given twice',
      EDITS,
      () => [...FIELDS, field('prompt', 'x'), file('image', png)],
      400,
      'invalid_value',
      'prompt',
    ],
    [
      'an image that is none',
      EDITS,
      () => [...FIELDS, file('image', Buffer.from('%PDF-1.7'))],
      400,
      'unsupported_file_mimetype',
      'image',
    ],
    ['half an image', EDITS, () => [...FIELDS, file('image', png.subarray(0, 60))], 400, 'invalid_image_file', 'image'],
    [
      'a mask of another size',
      EDITS,
      () => [...FIELDS, file('image', other), file('mask', mask)],
      400,
      'invalid_mask_image_format',
      'mask',
    ],
    [
      'seventeen images',
      EDITS,
      () => [...FIELDS, ...Array.from({ length: 17 }, () => file('image[]', png))],
      400,
      'array_above_max_length',
      'image',
    ],
    [
      'two images of a variation',
      VARIATIONS,
      () => [file('image', png), file('image', png)],
      400,
      'array_above_max_length',
      'image',
    ],
    [
      'a mask of a variation',
      VARIATIONS,
      () => [file('image', png), file('mask', mask)],
      400,
      'unknown_parameter',
      'mask',
    ],
    ['too large a form', EDITS, () => [...FIELDS, file('image', large())], 413, 'request_too_large', null],
    [
      'too long a field',
      EDITS,
      () => [field('prompt', 'x'.repeat(262_145)), file('image', png)],
      400,
      'string_above_max_length',
      'prompt',
    ],
    [
      'too long a prompt',
      EDITS,
      () => [field('prompt', 'x'.repeat(32_001)), file('image', png)],
      400,
      'string_above_max_length',
      'prompt',
    ],
    [
      'a dry run',
      EDITS,
      () => [...FIELDS, field('dry_run', 'true'), file('image', png)],
      400,
      'unsupported_parameter',
      'dry_run',
    ],
    [
      'a hundred fields',
      EDITS,
      () => Array.from({ length: 101 }, (_, at) => field(`f${at}`, 'x')),
      400,
      'invalid_value',
      null,
    ],
    [
      'a prompt that is no UTF-8',
      EDITS,
      () => [{ name: 'prompt', value: Buffer.from('caf\xe9', 'latin1') }, file('image', png)],
      400,
      'invalid_value',
      'prompt',
    ],
    ['nothing', EDITS, () => [], 400, 'missing_required_parameter', 'image'],
  ];
  it.each(cases)('names %s, makes no job and leaves no file', async (_what, path, parts, status, code, param) => {
    const jobs = await jobsMade();
    const { status: seen, json } = await post(path, parts());
    const problems = json.error.details ?? [json.error];
    expect([seen, problems.map((problem: { code: string }) => problem.code)]).toEqual([
      status,
      expect.arrayContaining([code]),
    ]);
    expect(problems.map((problem: { param: string }) => problem.param)).toContain(param);
    expect(await jobsMade()).toBe(jobs);
    await expect.poll(leftBehind, PATIENT).toEqual([]);
  });

  it('tells all problems at once', async () => {
    const bad = Buffer.from('%PDF-1.7');
    const files = await post(EDITS, [file('image[]', bad), file('image[]', png), file('mask', bad), file('x', png)]);
    expect(files.json.error.details.map(({ param }: { param: string }) => param)).toEqual([
      'image[0]',
      'mask',
      'x',
      'prompt',
    ]);
    const both = await post(EDITS, [field('n', '77'), field('foo', '1'), field('size', '7x7'), file('image', bad)]);
    const seen = both.json.error.details.map(({ param }: { param: string }) => param);
    expect(seen.toSorted()).toEqual(['foo', 'image', 'n', 'prompt', 'size']);
    const fields = await post(EDITS, [field('n', '11'), field('quality', 'ultra'), file('image', png)]);
    const params = fields.json.error.details.map(({ param }: { param: string }) => param);
    expect(params.toSorted()).toEqual(['n', 'prompt', 'quality']);
  });

  it.each([
    ['a text', 'text/plain', 415, 'unsupported_media_type'],
    ['a form without a boundary', 'multipart/form-data', 400, 'invalid_value'],
  ])('is %s', async (_what, type, status, code) => {
    const { status: seen, json } = await api.ask(EDITS, {
      method: 'POST',
      body: 'x',
      headers: { 'content-type': type },
    });
    expect([seen, json.error.code]).toEqual([status, code]);
  });

  it('is one that says it is too large, unread', async () => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    await once(socket, 'connect');
    const head = rawUploadHead(BOUNDARY, EDITS).replace('transfer-encoding: chunked', 'content-length: 2000001');
    socket.write(head);
    const [reply] = (await once(socket, 'data')) as [Buffer];
    expect(reply.toString()).toMatch(/^HTTP\/1\.1 413 .*larger than 2000000 bytes/s);
    socket.destroy();
  });

  it('is one that grows too large while it comes in', async () => {
    const parts = [...FIELDS, file('image', large())];
    const stream = new Blob([new Uint8Array(encodeForm(parts, BOUNDARY))]).stream();
    const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
    const { status, json } = await api.ask(EDITS, {
      method: 'POST',
      body: stream,
      headers,
      duplex: 'half',
    });
    expect([status, json.error.code]).toEqual([413, 'request_too_large']);
    await expect.poll(leftBehind, PATIENT).toEqual([]);
  });
});

describe('a caller who leaves in the middle of a form', () => {
  it.each([true, false])('leaves no job and no file (after a whole image: %s)', async (isWhole) => {
    const jobs = await jobsMade();
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    await once(socket, 'connect');
    const form = encodeForm([...FIELDS, file('image', png)], BOUNDARY);
    const sent = isWhole ? form.subarray(0, -8) : Buffer.concat([form.subarray(0, form.length - 60)]);
    const arrived = once(api.server, 'request');
    socket.write(rawUploadHead(BOUNDARY, EDITS));
    socket.write(httpChunk(sent));
    await arrived;
    socket.resetAndDestroy();
    const linesOf = () => api.lines.filter((line) => line.includes('"status":499') && line.includes(EDITS));
    const count = linesOf().length;
    await expect.poll(() => linesOf().length, PATIENT).toBeGreaterThanOrEqual(Math.max(1, count));
    await expect.poll(leftBehind, PATIENT).toEqual([]);
    expect(await jobsMade()).toBe(jobs);
  });
});

describe('the JSON of the same routes', () => {
  const dataUrl = (bytes: Buffer): string => `data:image/png;base64,${bytes.toString('base64')}`;

  it('takes data URLs, whatever the parser of forms next to it', async () => {
    const body = {
      model: 'gpt-image-2',
      prompt: 'x',
      images: [{ image_url: dataUrl(png) }],
      mask: { image_url: dataUrl(mask) },
    };
    const { status, json } = await api.post(EDITS, body, ASYNC);
    expect(status).toBe(202);
    expect((await jobOf(json.id)).images).toEqual([sha256(png)]);
    expect(JSON.stringify(json)).not.toContain('base64');
  });

  it('is refused by the place of what is wrong', async () => {
    const images = [{ image_url: dataUrl(png) }, { image_url: dataUrl(Buffer.from('%PDF-1.7')) }];
    const { status, json } = await api.post(EDITS, { model: 'gpt-image-2', prompt: 'x', images }, ASYNC);
    expect([status, json.error.param]).toEqual([400, 'images[1].image_url']);
    await expect.poll(leftBehind, PATIENT).toEqual([]);
  });

  it('may be 50 MiB and no more', async () => {
    const body = JSON.stringify({ prompt: 'x', images: [{ image_url: 'x'.repeat(52_428_800) }] });
    const { status, json } = await api.post(EDITS, body);
    expect([status, json.error.message]).toEqual([413, 'The request body is larger than 52428800 bytes.']);
    const headers = { authorization: `Bearer ${SHOP_KEY}`, 'content-type': 'application/json' };
    const stream = new Blob([body]).stream();
    const counted = await fetch(`${api.url}${EDITS}`, {
      method: 'POST',
      body: stream,
      headers,
      duplex: 'half',
    });
    expect(counted.status).toBe(413);
  });

  it('has to be there', async () => {
    expect((await api.post(EDITS)).json.error.code).toBe('invalid_json');
    expect(headOf(field('x', ''))).toContain('x');
  });
});
