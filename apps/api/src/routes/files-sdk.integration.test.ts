import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { noise } from '@darkroom/shared/inputs/test-images.ts';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OTHER_KEY, SHOP_KEY } from '../testing/start-api.ts';
import { STORAGES, type StoredApi } from '../testing/storages.ts';

const LINES = '{"custom_id":"cat-1"}\n{"custom_id":"cat-2"}\n';

describe.each(STORAGES)("OpenAI's SDK, storage on %s", (_kind, start) => {
  let api: StoredApi;
  let openai: OpenAI;
  let other: OpenAI;
  let folder: string;
  let png: Buffer;

  beforeAll(async () => {
    png = await noise(300, 200, 3).png().toBuffer();
    api = await start();
    openai = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: SHOP_KEY, maxRetries: 0 });
    other = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: OTHER_KEY, maxRetries: 0 });
    folder = await mkdtemp(join(tmpdir(), 'darkroom-sdk-'));
  });

  afterAll(async () => {
    await api.close();
    await rm(folder, { recursive: true });
  });

  const upload = async (name = 'cats.jsonl', lines = LINES) =>
    openai.files.create({ file: await toFile(Buffer.from(lines), name), purpose: 'batch' });

  it('uploads a buffer and gets OpenAI’s file object', async () => {
    const before = Math.floor(Date.now() / 1_000);
    const file = await upload();
    expect(file).toEqual({
      id: expect.stringMatching(/^file-[0-9a-z]{26}$/),
      object: 'file',
      bytes: LINES.length,
      created_at: expect.any(Number),
      expires_at: null,
      filename: 'cats.jsonl',
      purpose: 'batch',
      status: 'processed',
    });
    expect(file.created_at).toBeGreaterThanOrEqual(before);
    expect(await openai.files.retrieve(file.id)).toMatchObject({ id: file.id, filename: 'cats.jsonl' });
    expect(await openai.files.waitForProcessing(file.id)).toMatchObject({ status: 'processed' });
    expect(await api.storedKeys()).toContain(`files/shop/${file.id}`);
  });

  it('uploads from a file on disk, a stream, a web File and a fetch reply alike', async () => {
    const path = join(folder, 'on-disk.jsonl');
    await writeFile(path, LINES);
    const sources = [
      createReadStream(path),
      await toFile(Readable.from([Buffer.from(LINES)]), 'streamed.jsonl'),
      new File([LINES], 'web.jsonl'),
      new Response(LINES),
    ];
    for (const file of sources) {
      const { id, bytes } = await openai.files.create({ file, purpose: 'batch' });
      expect(bytes).toBe(LINES.length);
      expect(await (await openai.files.content(id)).text()).toBe(LINES);
    }
  });

  it('downloads what it uploaded, byte by byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, at) => (at * 7) % 251));
    const { id } = await openai.files.create({ file: await toFile(bytes, 'bytes'), purpose: 'batch' });
    const reply = await openai.files.content(id);
    expect(Buffer.compare(Buffer.from(await reply.arrayBuffer()), bytes)).toBe(0);
    expect(reply.headers.get('content-length')).toBe('3000000');
  });

  it('lists by pages on its own, all and once', async () => {
    const made = [];
    for (const name of ['1', '2', '3', '4', '5']) made.push((await upload(name)).id);
    const newest = [];
    for await (const file of openai.files.list({ limit: 2 })) newest.push(file.id);
    expect(newest.slice(0, 5)).toEqual(made.toReversed());
    expect(new Set(newest).size).toBe(newest.length);
    const oldest = await Array.fromAsync(openai.files.list({ limit: 3, order: 'asc', purpose: 'batch' }));
    expect(oldest.map(({ id }) => id)).toEqual(newest.toReversed());
    expect(await Array.fromAsync(other.files.list())).toEqual([]);
  });

  it('deletes, and then there is neither file nor bytes', async () => {
    const { id } = await upload();
    expect(await openai.files.delete(id)).toEqual({ id, object: 'file', deleted: true });
    const gone = { status: 404, message: `404 No such File object: ${id}` };
    await expect(openai.files.retrieve(id)).rejects.toMatchObject(gone);
    await expect(openai.files.content(id)).rejects.toThrow(OpenAI.NotFoundError);
    await expect(openai.files.delete(id)).rejects.toThrow(OpenAI.NotFoundError);
    expect(await api.storedKeys()).not.toContain(`files/shop/${id}`);
  });

  it('gives another account the same as for no file at all', async () => {
    const { id } = await upload();
    const gone = { status: 404, code: 'not_found', param: 'id', message: `404 No such File object: ${id}` };
    await expect(other.files.retrieve(id)).rejects.toMatchObject(gone);
    await expect(other.files.content(id)).rejects.toMatchObject(gone);
    await expect(other.files.delete(id)).rejects.toMatchObject(gone);
    expect(await openai.files.retrieve(id)).toMatchObject({ id });
  });

  it('uploads an image to work from, and gives it back as what it is', async () => {
    const path = join(folder, 'cat.txt');
    await writeFile(path, png);
    const sources = [
      await toFile(png, 'cat.png'),
      await toFile(png, 'cat.png', { type: 'text/html' }),
      createReadStream(path),
    ];
    for (const file of sources) {
      const made = await openai.files.create({ file, purpose: 'vision' });
      expect(made).toMatchObject({ object: 'file', purpose: 'vision', bytes: png.length, status: 'processed' });
      expect(await openai.files.retrieve(made.id)).toEqual(made);
      const reply = await openai.files.content(made.id);
      expect(Buffer.from(await reply.arrayBuffer()).equals(png)).toBe(true);
      expect(Object.fromEntries(reply.headers)).toMatchObject({
        'content-type': 'image/png',
        'x-content-type-options': 'nosniff',
        'content-length': String(png.length),
        etag: `"${createHash('sha256').update(png).digest('hex')}"`,
      });
    }
    const listed = await Array.fromAsync(openai.files.list({ purpose: 'vision' }));
    expect(listed).toHaveLength(3);
    for (const { id } of listed) expect(await openai.files.delete(id)).toMatchObject({ deleted: true });
    expect(await Array.fromAsync(openai.files.list({ purpose: 'vision' }))).toEqual([]);
    expect(await api.unfinished()).toEqual([]);
  });

  it('throws the SDK’s own error classes', async () => {
    const file = await toFile(Buffer.from(LINES), 'x');
    await expect(openai.files.create({ file, purpose: 'fine-tune' })).rejects.toThrow(OpenAI.BadRequestError);
    await expect(openai.files.create({ file, purpose: 'vision' })).rejects.toMatchObject({
      code: 'unsupported_file_mimetype',
      param: 'file',
    });
    const expiring = openai.files.create({
      file,
      purpose: 'batch',
      expires_after: { anchor: 'created_at', seconds: 3_600 },
    });
    await expect(expiring).rejects.toMatchObject({ code: 'unknown_parameter', param: 'expires_after[anchor]' });
    const stranger = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: 'dk_wrong_0123456789abcdef', maxRetries: 0 });
    await expect(stranger.files.create({ file, purpose: 'batch' })).rejects.toThrow(OpenAI.AuthenticationError);
    expect(await api.unfinished()).toEqual([]);
  });
});
