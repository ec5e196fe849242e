import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sweepInputs } from '@darkroom/shared/inputs/input-store.ts';
import { animatedPng, bomb, canvas, noise, PNG_SIGNATURE } from '@darkroom/shared/inputs/test-images.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BATCH, encodeForm, headOf, type Part, postForm } from '../testing/forms.ts';
import { OTHER_KEY, SHOP_KEY } from '../testing/start-api.ts';
import { STORAGES, type StoredApi } from '../testing/storages.ts';

const VISION: Part = { name: 'purpose', value: 'vision' };
const BOUNDARY = 'darkroom-boundary';
const MEGABYTE = 1_000_000;
/** Far more than the limit and what lies in buffers on the way. */
const LONG_MEGABYTES = 200;
const LATER_MS = 100 * 3_600_000;

describe.each(STORAGES)('a file of purpose vision, storage on %s', (_kind, start) => {
  let api: StoredApi;
  let kept: readonly string[];
  let png: Buffer;
  let folders: readonly string[];

  beforeAll(async () => {
    const before = await readdir(tmpdir());
    api = await start();
    const ours = `darkroom-inputs-${process.pid}-`;
    folders = (await readdir(tmpdir())).filter((name) => name.startsWith(ours) && !before.includes(name));
    png = await noise(300, 200, 3).png().toBuffer();
  });
  beforeEach(async () => {
    kept = await stored();
  });
  afterAll(() => api.close());

  const stored = (): Promise<string[]> => Array.fromAsync(api.deps.store.list(''));
  const imageOf = (value: Uint8Array, more: Partial<Part> = {}): Part => ({
    name: 'file',
    filename: 'cat.png',
    type: 'image/png',
    value,
    ...more,
  });
  const listed = async (): Promise<number> => (await api.ask('/v1/files')).json.data.length;

  async function expectNothingLeft(files: number): Promise<void> {
    await expect.poll(() => api.unfinished()).toEqual([]);
    await expect
      .poll(async () => (await Promise.all(folders.map((name) => readdir(join(tmpdir(), name))))).flat())
      .toEqual([]);
    expect(folders).toHaveLength(1);
    expect(await stored()).toEqual(kept);
    expect(await listed()).toBe(files);
  }

  it.each<[string, (image: Uint8Array) => Part[]]>([
    ['the file first', (image) => [imageOf(image), VISION]],
    ['the file last', (image) => [VISION, imageOf(image)]],
    ['a lying name and type', (image) => [VISION, imageOf(image, { filename: 'x.svg', type: 'image/svg+xml' })]],
    ['no type', (image) => [imageOf(image, { type: 'application/octet-stream' }), VISION]],
  ])('is taken with %s, and is what its bytes are', async (_what, parts) => {
    const jpeg = await noise(40, 30, 3).jpeg().toBuffer();
    const { status, json } = await postForm(api, parts(jpeg));
    expect([status, json]).toEqual([200, expect.objectContaining({ bytes: jpeg.length, purpose: 'vision' })]);
    const { headers } = await api.ask(`/v1/files/${json.id}/content`);
    expect(headers.get('content-type')).toBe('image/jpeg');
    const sha256 = createHash('sha256').update(jpeg).digest('hex');
    expect(headers.get('etag')).toBe(`"${sha256}"`);
    expect(headers.get('content-disposition')).toMatch(/^attachment;/);
    expect((await stored()).filter((key) => key.startsWith('inputs/'))).toEqual([`inputs/shop/${sha256}`]);
    const range = await api.ask(`/v1/files/${json.id}/content`, { headers: { range: 'bytes=0-1' } });
    expect([range.status, range.headers.get('content-range')]).toEqual([206, `bytes 0-1/${jpeg.length}`]);
    const foreign = { headers: { authorization: `Bearer ${OTHER_KEY}` } };
    expect((await api.ask(`/v1/files/${json.id}/content`, foreign)).status).toBe(404);
    expect((await api.ask(`/v1/files/${json.id}`, { method: 'DELETE' })).json.deleted).toBe(true);
    expect((await api.ask(`/v1/files/${json.id}/content`)).status).toBe(404);
    await sweepInputs(api.deps, Date.now() + LATER_MS, 100);
    await expectNothingLeft(0);
  });

  it.each<[string, () => Promise<Uint8Array> | Uint8Array, string]>([
    ['a GIF', () => canvas(4, 4).gif().toBuffer(), 'unsupported_file_mimetype'],
    ['SVG', () => Buffer.from('<svg width="1" height="1"/>'), 'unsupported_file_mimetype'],
    ['nothing', () => Buffer.alloc(0), 'unsupported_file_mimetype'],
    ['half a PNG', () => png.subarray(0, png.length / 2), 'invalid_image_file'],
    ['an animation', () => animatedPng(), 'invalid_image_file'],
    ['a bomb', () => bomb(16_000, 16_000), 'invalid_image_file'],
  ])('that is %s is refused, and leaves nothing', async (_what, make, code) => {
    for (const parts of [
      [imageOf(await make()), VISION],
      [VISION, imageOf(await make())],
    ]) {
      const { status, json } = await postForm(api, parts);
      expect([status, json.error]).toEqual([400, expect.objectContaining({ code, param: 'file' })]);
    }
    await expectNothingLeft(0);
  });

  it.each<[string, () => Part[], string]>([
    ['no purpose', () => [imageOf(png)], 'missing_required_parameter'],
    ['another purpose', () => [imageOf(png), { ...VISION, value: 'fine-tune' }], 'invalid_value'],
    ['two files', () => [imageOf(png), imageOf(png), VISION], 'invalid_value'],
    ['a misspelt field', () => [imageOf(png), VISION, { name: 'expires', value: '1' }], 'unknown_parameter'],
  ])('in a form with %s is refused, and leaves nothing', async (_what, parts, code) => {
    const { status, json } = await postForm(api, parts());
    expect([status, json.error.code]).toEqual([400, code]);
    await expectNothingLeft(0);
  });

  it.each([
    ['first', [VISION]],
    ['last', []],
  ])('of 50 MB is refused while it comes in, its purpose %s', async (_what, before) => {
    let sent = 0;
    const fields =
      before.length === 0 ? Buffer.alloc(0) : encodeForm(before, BOUNDARY).subarray(0, -(BOUNDARY.length + 6));
    const head = Buffer.concat([fields, Buffer.from(`--${BOUNDARY}\r\n${headOf(imageOf(png))}`), PNG_SIGNATURE]);
    const body = new ReadableStream<Uint8Array>({
      start: (control) => control.enqueue(head),
      pull: (control) => {
        if (sent === LONG_MEGABYTES) return control.close();
        sent += 1;
        control.enqueue(new Uint8Array(MEGABYTE));
      },
    });
    const reply = await fetch(`${api.url}/v1/files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${SHOP_KEY}`, 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body,
      duplex: 'half',
    });
    expect([reply.status, await reply.json()]).toEqual([
      400,
      { error: expect.objectContaining({ code: 'file_too_large', param: 'file' }) },
    ]);
    expect(sent).toBeLessThan(LONG_MEGABYTES);
    await expectNothingLeft(0);
  });

  it('a batch’s lines may begin as an image does', async () => {
    const lines = Buffer.concat([PNG_SIGNATURE, randomBytes(200_000)]);
    for (const parts of [
      [imageOf(lines), BATCH],
      [BATCH, imageOf(lines)],
    ]) {
      const { status, json } = await postForm(api, parts);
      expect([status, json]).toEqual([200, expect.objectContaining({ bytes: lines.length, purpose: 'batch' })]);
      const content = await fetch(`${api.url}/v1/files/${json.id}/content`, {
        headers: { authorization: `Bearer ${SHOP_KEY}` },
      });
      expect(content.headers.get('content-type')).toBe('application/jsonl');
      expect(Buffer.from(await content.arrayBuffer()).equals(lines)).toBe(true);
      await api.ask(`/v1/files/${json.id}`, { method: 'DELETE' });
    }
    await expectNothingLeft(0);
  });
});
