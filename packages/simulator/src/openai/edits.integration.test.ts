import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toFile } from 'openai';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findImageId } from './image-id.ts';
import { type Kit, picture, refusalOf, startKit } from './test-kit.ts';

let kit: Kit;
let png: Buffer;
let clear: Buffer;
beforeAll(async () => {
  kit = await startKit({ reality: 'everything' });
  png = await picture(64, 48);
  clear = await picture(64, 48, 'png', true);
});
afterAll(() => kit.close());
beforeEach(() => kit.reset());

const file = (bytes: Buffer, name = 'a.png', type = 'image/png') => toFile(bytes, name, { type });
const dataUrl = (bytes: Buffer, type = 'image/png') => `data:${type};base64,${bytes.toString('base64')}`;
const request = { model: 'gpt-image-2', prompt: 'make it winter', size: '1024x1024' };

async function edit(changes: Record<string, unknown>) {
  return kit.client.images.edit({ image: await file(png), ...request, ...changes });
}

describe('multipart edits', () => {
  test.each([
    'gpt-image-1',
    'gpt-image-1-mini',
    'gpt-image-1.5',
    'chatgpt-image-latest',
    'gpt-image-2',
    'gpt-image-2.5-flare',
    'gpt-image-2.6-sunburst',
  ])('%s edits several images with a mask', async (model) => {
    const image = [await file(png), await file(await picture(80, 80, 'jpeg'), 'b.jpg', 'image/jpeg')];
    const reply = await edit({ model, image, mask: await file(clear), n: 2, quality: 'low' });
    expect(reply.data).toHaveLength(2);
    expect(reply.usage?.input_tokens_details.image_tokens).toBeGreaterThan(0);
    const { requests, images } = await kit.ledger();
    expect(requests[0]).toMatchObject({ operation: 'edit', n: 2, prompt: 'make it winter', outcome: 'answered' });
    expect(images).toHaveLength(2);
  });

  test('dall-e-2 edits one square PNG by its own transparency and answers with a link', async () => {
    const square = await picture(64, 64, 'png', true);
    const reply = await edit({ model: 'dall-e-2', size: '256x256', image: await file(square) });
    const bytes = Buffer.from(await (await fetch(reply.data?.[0]?.url ?? '')).arrayBuffer());
    expect(await sharp(bytes).metadata()).toMatchObject({ width: 256, height: 256, format: 'png' });
  });

  test('the picture shows the input where the mask is opaque', async () => {
    await kit.control('POST', '/settings', { rendering: 'full' });
    const input = await sharp({ create: { width: 256, height: 256, channels: 3, background: '#ff0000' } })
      .png()
      .toBuffer();
    const pixels = Buffer.alloc(256 * 256 * 4).fill(255, 0, 256 * 128 * 4);
    const mask = await sharp(pixels, { raw: { width: 256, height: 256, channels: 4 } })
      .png()
      .toBuffer();
    const reply = await edit({ image: await file(input), mask: await file(mask) });
    const bytes = Buffer.from(reply.data?.[0]?.b64_json ?? '', 'base64');
    const mean = async (top: number) =>
      (
        await sharp(await sharp(bytes).extract({ left: 0, top, width: 1024, height: 100 }).png().toBuffer()).stats()
      ).channels.map((channel) => Math.round(channel.mean));
    expect((await mean(0)).slice(0, 3)).toEqual([255, 0, 0]);
    expect((await mean(560))[0]).toBeLessThan(250);
    expect(findImageId(bytes)).toMatch(/^sim_/);
  });
});

test.each(['edit', 'edit with a mask'])('a transparent %s has see-through pixels', async (name) => {
  await kit.control('POST', '/settings', { rendering: 'full' });
  const mask = name === 'edit' ? {} : { mask: await file(clear) };
  const reply = await edit({ model: 'gpt-image-2.5-flare', background: 'transparent', ...mask });
  const { isOpaque } = await sharp(Buffer.from(reply.data?.[0]?.b64_json ?? '', 'base64')).stats();
  expect(isOpaque).toBe(false);
});

describe('refused inputs', () => {
  const cases: [string, () => Promise<Record<string, unknown>>, Record<string, unknown>][] = [
    [
      'no real content type',
      async () => ({ image: await toFile(png, 'b.webp') }),
      {
        code: 'unsupported_file_mimetype',
        param: 'image',
        type: 'invalid_request_error',
        message:
          /Invalid file 'image': unsupported mimetype \('application\/octet-stream'\)\. Supported file formats are 'image\/jpeg', 'image\/png', and 'image\/webp'\./,
      },
    ],
    [
      'a wrong type in a list',
      async () => ({ image: [await file(png), await file(png, 'b.gif', 'image/gif')] }),
      { code: 'unsupported_file_mimetype', param: 'image[1]' },
    ],
    [
      'bytes that are no image',
      async () => ({ image: await file(Buffer.from('nope')) }),
      {
        code: 'invalid_image_file',
        type: 'image_generation_user_error',
        message: /Invalid image file or mode for image 1, please check your image file\./,
      },
    ],
    [
      'bytes of another type',
      async () => ({ image: await file(png, 'a.webp', 'image/webp') }),
      { code: 'invalid_image_file' },
    ],
    [
      '17 images',
      async () => ({ image: await Promise.all(Array.from({ length: 17 }, () => file(png))) }),
      { code: 'array_above_max_length', param: 'image' },
    ],
    [
      'a mask of another size',
      async () => ({ mask: await file(await picture(64, 64, 'png', true)) }),
      {
        code: 'invalid_mask_image_format',
        type: 'image_generation_user_error',
        message: /^400 Invalid mask image format - mask size does not match image size$/,
      },
    ],
    ['a mask without alpha', async () => ({ mask: await file(png) }), { code: 'invalid_mask_image_format' }],
    [
      'a mask that is no PNG',
      async () => ({ mask: await file(await picture(64, 48, 'webp', true)) }),
      { code: 'invalid_mask_image_format' },
    ],
    [
      'a mask of 4 MB',
      async () => ({ mask: await file(Buffer.concat([clear, Buffer.alloc(4 * 1024 * 1024)])) }),
      { code: 'file_too_large', param: 'mask' },
    ],
    [
      'an image of 50 MB',
      async () => ({ image: await file(Buffer.alloc(50 * 1024 * 1024)) }),
      { code: 'file_too_large', param: 'image' },
    ],
    [
      'dall-e-2 and an oblong image',
      async () => ({ model: 'dall-e-2', size: '256x256', image: await file(clear) }),
      { message: /must be square/ },
    ],
    [
      'dall-e-2 and 4 MB',
      async () => ({ model: 'dall-e-2', size: '256x256', image: await file(Buffer.alloc(4 * 1024 * 1024)) }),
      { message: /must be a PNG and less than 4 MB/ },
    ],
    [
      'dall-e-2 and a JPEG',
      async () => ({
        model: 'dall-e-2',
        size: '256x256',
        image: await file(await picture(9, 9, 'jpeg'), 'a.jpg', 'image/jpeg'),
      }),
      { code: 'unsupported_file_mimetype', message: /Supported file format is 'image\/png'/ },
    ],
    [
      'dall-e-2, no mask and no alpha',
      async () => ({ model: 'dall-e-2', size: '256x256', image: await file(await picture(9, 9)) }),
      { message: /format must be in \['RGBA', 'LA', 'L'\], got RGB/ },
    ],
    ['dall-e-3', async () => ({ model: 'dall-e-3' }), { code: 'invalid_value', param: 'model' }],
  ];
  test.each(cases)('%s', async (_name, changes, expected) => {
    const { message, ...fields } = expected;
    const error = await refusalOf(edit(await changes()));
    expect(error).toMatchObject({ status: 400, ...fields });
    if (message instanceof RegExp) expect(error.message).toMatch(message);
    expect((await kit.ledger()).images).toEqual([]);
  });

  test.each([
    [{ image: 'plain text' }, 'missing_file_mimetype'],
    [{}, 'missing_required_parameter'],
  ])('a form with %j', async (fields, code) => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ ...request, ...fields })) form.append(name, value);
    const reply = await fetch(`${kit.url}/v1/images/edits`, {
      method: 'POST',
      headers: { authorization: 'Bearer k' },
      body: form,
    });
    expect([reply.status, ((await reply.json()) as { error: { code: string } }).error.code]).toEqual([400, code]);
  });

  test.each([
    ['text/plain', 'x', /Invalid Content-Type header/],
    ['multipart/form-data; boundary=b', '--c--', /Could not parse multipart form/],
    ['application/json', '[1]', /could not parse the JSON body/],
    ['application/json', '{"a"', /could not parse the JSON body/],
  ])('a body of %s: %s', async (type, body, message) => {
    const reply = await kit.post('/v1/images/edits', body, { 'content-type': type });
    expect(reply.status).toBe(400);
    expect(((await reply.json()) as { error: { message: string } }).error.message).toMatch(message);
  });
});

describe('JSON edits', () => {
  const post = async (body: Record<string, unknown>) => {
    const reply = await kit.post('/v1/images/edits', { ...request, ...body });
    const json = (await reply.json()) as { data?: unknown[]; error?: Record<string, unknown> };
    return { status: reply.status, ...json };
  };

  test('take data URLs, file ids and links, and a mask in the same shape', async () => {
    const stored = await kit.client.files.create({ purpose: 'vision', file: await file(clear, 'mask.png') });
    const server = createServer((_req, res) => res.end(png));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const link = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.png`;
    const images = [{ image_url: dataUrl(png) }, { file_id: stored.id }, { image_url: link }];
    const reply = await post({ images, mask: { file_id: stored.id }, moderation: 'low' });
    server.close();
    expect(reply).toMatchObject({ status: 200, data: [{ b64_json: expect.any(String) }] });
  });

  test.each([
    [{}, 'missing_required_parameter', 'images'],
    [{ images: 'x' }, 'invalid_type', 'images'],
    [{ images: ['x'] }, 'invalid_type', 'images[0]'],
    [{ images: [{}] }, 'invalid_value', 'images[0]'],
    [{ images: [{ image_url: 'x', file_id: 'y' }] }, 'invalid_value', 'images[0]'],
    [{ images: [{ file_id: 'file-none' }] }, 'file_not_found', 'images[0].file_id'],
    [{ images: [{ image_url: 'ftp://x' }] }, 'invalid_value', 'images[0].image_url'],
    [{ images: [{ image_url: 'http://127.0.0.1:1/x.png' }] }, 'invalid_image_url', 'images[0].image_url'],
    [{ images: [{ image_url: 'data:image/gif;base64,R0lGOD' }] }, 'unsupported_file_mimetype', 'images[0]'],
    [{ model: 'dall-e-2', size: '256x256', images: [] }, 'invalid_request_error', null],
  ])('%j is refused', async (body, code, param) => {
    const { status, error } = await post(body);
    expect(status).toBe(400);
    if (code !== 'invalid_request_error') expect(error).toMatchObject({ code, param });
  });
});

describe('variations', () => {
  test('dall-e-2 makes them of a square PNG, as links or base64', async () => {
    const image = await file(await picture(128, 128));
    const reply = await kit.client.images.createVariation({
      image,
      n: 2,
      size: '256x256',
      response_format: 'b64_json',
    });
    expect(reply.data).toHaveLength(2);
    expect((await kit.ledger()).requests[0]).toMatchObject({
      operation: 'variation',
      model: 'dall-e-2',
      billedImages: 2,
    });
  });

  test('no other model makes them', async () => {
    const call = kit.client.images.createVariation({ image: await file(png), model: 'gpt-image-2' });
    expect(await refusalOf(call)).toMatchObject({ status: 400, code: 'invalid_value', param: 'model' });
  });
});

test('files can be listed, read and deleted', async () => {
  const stored = await kit.client.files.create({ purpose: 'vision', file: await file(png, 'ü.png') });
  expect((await kit.client.files.list()).data.map((one) => one.id)).toContain(stored.id);
  expect(await kit.client.files.retrieve(stored.id)).toMatchObject({ bytes: png.length, filename: 'ü.png' });
  const content = await kit.client.files.content(stored.id);
  expect(Buffer.from(await content.arrayBuffer()).equals(png)).toBe(true);
  expect(await kit.client.files.delete(stored.id)).toMatchObject({ deleted: true });
  expect(await refusalOf(kit.client.files.retrieve(stored.id))).toMatchObject({ status: 404 });
  expect((await kit.post('/v1/files', {})).status).toBe(400);
  const broken = { 'content-type': 'multipart/form-data; boundary=b' };
  expect((await kit.post('/v1/files', 'x', broken)).status).toBe(400);
});
