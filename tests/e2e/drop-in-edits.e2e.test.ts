// Edits, variations and vision files by OpenAI's SDK: which bytes reach the upstream, under which type, with which mask,
// and what comes back.
import { Readable } from 'node:stream';
import type OpenAI from 'openai';
import { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { booksOfJob } from '../support/books.ts';
import { countingClient } from '../support/counting-client.ts';
import { alphaOf, decode, picturesOf } from '../support/decode.ts';
import { dataUrl, JPEG, png, sha256Of, WEBP } from '../support/pictures.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { startWiretap, type Wiretap } from '../support/wiretap.ts';

type Edit = OpenAI.Images.ImageEditParamsNonStreaming;
type Upload = Awaited<ReturnType<typeof toFile>>;

const VARIATION_PROMPT = 'the same again, but different';
let stack: TestStack;
let wiretap: Wiretap;
let openai: OpenAI;

beforeAll(async () => {
  wiretap = await startWiretap();
  stack = await startTestStack({ env: { OPENAI_BASE_URL: wiretap.baseUrl, VARIATION_PROMPT } });
  wiretap.passOnTo(stack.simulator.url);
  openai = countingClient(stack.api.url).openai;
});
afterAll(async () => {
  await stack.stop();
  await wiretap.stop();
});

const file = (bytes: Buffer, name = 'a.png', type = 'image/png'): Promise<Upload> => toFile(bytes, name, { type });

async function edit(params: Partial<Edit> & Pick<Edit, 'image' | 'prompt'>) {
  const { data: reply, response } = await openai.images
    .edit({ model: 'gpt-image-2', size: '1024x1024', quality: 'low', ...params })
    .withResponse();
  const jobId = response.headers.get('x-darkroom-job-id') ?? '';
  return { reply, jobId, headers: response.headers, books: await booksOfJob(stack, jobId) };
}

/** The only request the upstream got for this prompt: its images, in order, without `[]` in their names. */
function sentImages(prompt: string): { name: string; type: string | null; sha256: string; bytes: Buffer }[] {
  const sent = wiretap.sent(prompt);
  expect(sent.map(({ path }) => path)).toEqual(['/images/edits']);
  return (sent[0]?.images ?? []).map((image) => ({ ...image, name: image.name.replace(/^images?\b.*/, 'image') }));
}

const plain = (images: ReturnType<typeof sentImages>): unknown[] =>
  images.map(({ name, type, sha256 }) => [name, type, sha256]);

describe.concurrent('images.edit', () => {
  test('of one file: its bytes go up unchanged, the picture comes back', async () => {
    const prompt = 'one cat in winter';
    const image = png(64);
    const { reply, headers, books } = await edit({ image: await file(image), prompt });
    expect(plain(sentImages(prompt))).toEqual([['image', 'image/png', sha256Of(image)]]);
    expect(await picturesOf(reply.data)).toMatchObject([{ width: 1024, height: 1024, id: books.images[0]?.id }]);
    expect(books.requests).toMatchObject([{ operation: 'edit', model: 'gpt-image-2', n: 1, outcome: 'answered' }]);
    expect(reply.usage?.input_tokens_details.image_tokens).toBeGreaterThan(0);
    expect(Number(headers.get('x-darkroom-cost-usd'))).toBeCloseTo(books.costUsd, 6);
  });

  test('of several files and a mask: all in order, each under its true type, whatever the form called it', async () => {
    const prompt = 'three cats become one';
    const [first, mask] = [png(64), png(64, { alpha: 'hole' })];
    const image = await Promise.all([
      file(first),
      file(JPEG, 'b.bin', 'application/octet-stream'),
      file(WEBP, 'c.png', 'image/png'),
    ]);
    const { reply } = await edit({ image, mask: await file(mask, 'm.png'), prompt, n: 2 });
    expect(plain(sentImages(prompt))).toEqual([
      ['image', 'image/png', sha256Of(first)],
      ['image', 'image/jpeg', sha256Of(JPEG)],
      ['image', 'image/webp', sha256Of(WEBP)],
      ['mask', 'image/png', sha256Of(mask)],
    ]);
    expect(await picturesOf(reply.data)).toHaveLength(2);
  });

  test('of sixteen files: all of them, in order', async () => {
    const prompt = 'sixteen cats';
    const images = Array.from({ length: 16 }, () => png(32));
    await edit({ image: await Promise.all(images.map((image) => file(image))), prompt });
    expect(sentImages(prompt).map(({ sha256 }) => sha256)).toEqual(images.map(sha256Of));
  });

  test('of the same file twice: it is sent twice', async () => {
    const prompt = 'twins';
    const image = png(64);
    await edit({ image: [await file(image), await file(image)], prompt });
    expect(sentImages(prompt).map(({ sha256 }) => sha256)).toEqual([sha256Of(image), sha256Of(image)]);
  });

  test('by dall-e-2 without a mask: the image’s own transparency becomes one', async () => {
    const prompt = 'a cat in the hole';
    const image = png(64, { alpha: 'hole' });
    const { reply, books } = await edit({ model: 'dall-e-2', image: await file(image), prompt, size: '256x256' });
    const [sent, mask, ...others] = sentImages(prompt);
    expect([sent?.name, sent?.sha256, mask?.name, mask?.type, others]).toEqual([
      'image',
      sha256Of(image),
      'mask',
      'image/png',
      [],
    ]);
    const bytes = mask?.bytes ?? Buffer.alloc(0);
    expect(await decode(bytes)).toMatchObject({ format: 'png', width: 64, height: 64 });
    const isClear = (alpha: Buffer): boolean[] => [...alpha].map((value) => value === 0);
    expect(isClear(await alphaOf(bytes))).toEqual(isClear(await alphaOf(image)));
    expect(reply.data?.[0]?.url).toMatch(/^http/);
    expect(await picturesOf(reply.data)).toMatchObject([{ format: 'png', width: 256, height: 256 }]);
    expect(books.requests).toHaveLength(1);
  });

  test.each([
    ['dall-e-2', 'opaque'],
    ['dall-e-2', 'none'],
    ['gpt-image-2', 'hole'],
  ] as const)('by %s of an image with alpha %s: no mask is made up', async (model, alpha) => {
    const prompt = `a cat by ${model} over ${alpha}`;
    await edit({ model, image: await file(png(64, { alpha })), prompt });
    expect(sentImages(prompt).map(({ name }) => name)).toEqual(['image']);
  });

  test('by dall-e-2 with a mask: that mask, not the image’s transparency', async () => {
    const prompt = 'a cat behind a mask';
    const [image, mask] = [png(64, { alpha: 'hole' }), png(64, { alpha: 'hole' })];
    await edit({ model: 'dall-e-2', image: await file(image), mask: await file(mask), prompt });
    expect(sentImages(prompt).map(({ name, sha256 }) => [name, sha256])).toEqual([
      ['image', sha256Of(image)],
      ['mask', sha256Of(mask)],
    ]);
  });

  test('keeps no image in the record of its job, only what it was', async () => {
    const image = png(64);
    const { jobId } = await edit({ image: await file(image), prompt: 'a cat by reference' });
    const job = await stack.api.job(jobId);
    expect(job).toMatchObject({ operation: 'edit', status: 'completed' });
    expect(job.input['images']).toMatchObject([
      { sha256: sha256Of(image), content_type: 'image/png', bytes: image.length, width: 64, height: 64 },
    ]);
  });
});

describe.concurrent('images.createVariation', () => {
  test('becomes an edit by the replacement, with a prompt, in the size asked for', async () => {
    const image = png(128);
    const upload = await file(image);
    const { data: reply, response } = await openai.images
      .createVariation({ image: upload, n: 2, size: '512x512' })
      .withResponse();
    expect(await picturesOf(reply.data)).toMatchObject([
      { format: 'png', width: 512, height: 512 },
      { format: 'png', width: 512, height: 512 },
    ]);
    expect(reply.data?.map(({ b64_json }) => b64_json)).toEqual([undefined, undefined]);
    const [sent] = wiretap.sent(VARIATION_PROMPT).filter(({ images }) => images[0]?.sha256 === sha256Of(image));
    expect(sent?.images).toHaveLength(1);
    expect(sent).toMatchObject({ path: '/images/edits', images: [{ type: 'image/png' }] });
    const jobId = response.headers.get('x-darkroom-job-id') ?? '';
    expect(await stack.api.job(jobId)).toMatchObject({ operation: 'variation', status: 'completed' });
    const { requests } = await booksOfJob(stack, jobId);
    expect(requests).toMatchObject([{ operation: 'edit', n: 2, prompt: VARIATION_PROMPT }]);
  });

  test('as b64_json, of the default size', async () => {
    const image = await file(png(96));
    const reply = await openai.images.createVariation({ image, model: 'dall-e-2', response_format: 'b64_json' });
    expect(await picturesOf(reply.data)).toMatchObject([{ format: 'png', width: 1024, height: 1024 }]);
  });
});

describe.concurrent('vision files', () => {
  const upload = async (bytes: Buffer, name = 'cat.png'): Promise<OpenAI.FileObject> =>
    openai.files.create({ purpose: 'vision', file: await file(bytes, name) });

  test('are made, listed, read and deleted', async () => {
    const bytes = png(80);
    const made = await upload(bytes, 'kätzchen.png');
    expect(made).toMatchObject({ object: 'file', purpose: 'vision', bytes: bytes.length, filename: 'kätzchen.png' });
    const listed = await Array.fromAsync(openai.files.list({ purpose: 'vision' }));
    expect(listed.map(({ id }) => id)).toContain(made.id);
    expect(await openai.files.retrieve(made.id)).toEqual(made);
    const content = await openai.files.content(made.id);
    expect(Buffer.from(await content.arrayBuffer()).equals(bytes)).toBe(true);
    expect(await openai.files.delete(made.id)).toEqual({ id: made.id, object: 'file', deleted: true });
    await expect(openai.files.retrieve(made.id)).rejects.toMatchObject({ status: 404 });
  });

  /** The SDK has no method for JSON edits; this is how its users send them. */
  const editByJson = (body: object): Promise<OpenAI.ImagesResponse> =>
    openai.post('/images/edits', { body: { model: 'gpt-image-2', quality: 'low', size: '1024x1024', ...body } });

  test('and data URLs are edited by reference, with a mask', async () => {
    const prompt = 'a cat by its id';
    const [byId, byUrl, mask] = [png(64), png(32), png(64, { alpha: 'hole' })];
    const [imageFile, maskFile] = await Promise.all([upload(byId), upload(mask)]);
    const reply = await editByJson({
      prompt,
      images: [{ file_id: imageFile.id }, { image_url: dataUrl(byUrl) }],
      mask: { file_id: maskFile.id },
    });
    expect(await picturesOf(reply.data)).toHaveLength(1);
    expect(plain(sentImages(prompt))).toEqual([
      ['image', 'image/png', sha256Of(byId)],
      ['image', 'image/png', sha256Of(byUrl)],
      ['mask', 'image/png', sha256Of(mask)],
    ]);
  });

  test('that are deleted while an edit waits for them are sent all the same', async () => {
    const prompt = 'a cat whose file is gone';
    const bytes = png(64);
    const made = await upload(bytes);
    await stack.simulator.fault('moderation_input', { model: 'gpt-image-2.5-flare', operation: 'edit', count: 1 });
    const body = { model: 'gpt-image-2.5-flare', prompt, images: [{ file_id: made.id }] };
    const refused = await stack.api.request('POST', '/v1/images/edits', { body });
    expect(refused.status).toBe(400);
    await openai.files.delete(made.id);
    const id = refused.headers.get('x-darkroom-job-id') ?? '';
    await stack.api.retry(id);
    expect((await stack.api.ended(id)).status).toBe('completed');
    expect(wiretap.sent(prompt).map(({ images }) => images[0]?.sha256)).toEqual([sha256Of(bytes), sha256Of(bytes)]);
  });
});

test('a file the SDK reads from a stream is as good as one from memory', async () => {
  const prompt = 'a streamed cat';
  const bytes = png(48);
  await edit({ image: await toFile(Readable.from([bytes]), 'streamed.png'), prompt });
  expect(plain(sentImages(prompt))).toEqual([['image', 'image/png', sha256Of(bytes)]]);
});
