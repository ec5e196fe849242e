import type { UpstreamBody } from '@darkroom/shared/models/price.ts';
import type { Operation } from '@darkroom/shared/models/rules.ts';
import type { InputRef, InputSet } from '@darkroom/shared/requests/inputs.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prepareRequest, type WireRequest } from './prepare-request.ts';

const NONE: InputSet<InputRef> = { images: [], mask: null, markup: null };
const BYTES = new Map<string, Buffer>();

function input(bytes: Buffer, contentType = 'image/png'): InputRef {
  const sha256 = String(BYTES.size).padStart(64, '0');
  BYTES.set(sha256, bytes);
  return { sha256, content_type: contentType, bytes: bytes.length, width: 1, height: 1 };
}

function prepare(operation: Operation, body: UpstreamBody, images: number, inputs: InputSet<InputRef>): WireRequest {
  return prepareRequest(
    { operation, body: { ...body, ...inputs }, images, inputs },
    ({ sha256 }) => BYTES.get(sha256) ?? Buffer.alloc(0),
    () => undefined,
  );
}

function bodyOf(request: WireRequest): Buffer {
  const taken = request.take();
  const body = Buffer.concat(taken instanceof Uint8Array ? [taken] : [...taken]);
  expect(body.length).toBe(request.lengthBytes);
  return body;
}

/** As any server reads a form. */
async function formOf(request: WireRequest): Promise<[name: string, value: string | File][]> {
  const body = new Uint8Array(bodyOf(request));
  const form = await new Response(body, { headers: { 'content-type': request.contentType } }).formData();
  return [...form.entries()];
}

const BODY = { model: 'gpt-image-2.6-flare', prompt: 'a cat' };

test('a generation is JSON with n and without images', async () => {
  const request = prepare('generation', BODY, 3, NONE);
  expect(request).toMatchObject({ path: '/images/generations', contentType: 'application/json' });
  expect(JSON.parse(bodyOf(request).toString())).toEqual({ ...BODY, n: 3 });
});

describe('an edit as a form', () => {
  test('has one image as `image`, with its true type and a name', async () => {
    const form = await formOf(
      prepare('edit', BODY, 2, { ...NONE, images: [input(Buffer.from('jpeg'), 'image/jpeg')] }),
    );
    expect(form.map(([name]) => name)).toEqual(['model', 'prompt', 'n', 'image']);
    expect(form[2]).toEqual(['n', '2']);
    const file = form[3]?.[1] as File;
    expect([file.name, file.type, await file.text()]).toEqual(['image.jpg', 'image/jpeg', 'jpeg']);
  });

  test('has several images as `image[]` in their order, a mask and a markup', async () => {
    const inputs = {
      images: [input(Buffer.from('one')), input(Buffer.from('two'), 'image/webp')],
      mask: input(Buffer.from('mask')),
      markup: input(Buffer.from('markup')),
    };
    const files = (await formOf(prepare('edit', BODY, 1, inputs))).slice(3) as [string, File][];
    const texts = await Promise.all(files.map(async ([name, file]) => [name, file.name, file.type, await file.text()]));
    expect(texts).toEqual([
      ['image[]', 'image-1.png', 'image/png', 'one'],
      ['image[]', 'image-2.webp', 'image/webp', 'two'],
      ['mask', 'mask.png', 'image/png', 'mask'],
      ['markup', 'markup.png', 'image/png', 'markup'],
    ]);
  });

  test('writes nested fields in brackets', async () => {
    const body = { ...BODY, output_format: 'svg', svg: { effort: 'high' } };
    const form = await formOf(prepare('edit', body, 1, { ...NONE, images: [input(Buffer.from('x'))] }));
    expect(form.map(([name]) => name)).toEqual(['model', 'prompt', 'output_format', 'svg[effort]', 'n', 'image']);
  });

  test('carries any prompt unchanged, its line breaks too', async () => {
    const image = input(Buffer.from('x'));
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.constantFrom('\n', '\r\n', '\r'), async (text, end) => {
        const prompt = `${text}${end}${text}`.toWellFormed();
        const body = bodyOf(prepare('edit', { ...BODY, prompt }, 1, { ...NONE, images: [image] }));
        expect(body.toString()).toContain(`name="prompt"\r\n\r\n${prompt}\r\n--`);
      }),
    );
  });
});

test('an edit with a field that forms lack is JSON with data URLs', async () => {
  const bytes = Buffer.alloc(500_001, 'pixels');
  const inputs = {
    ...NONE,
    images: [input(bytes, 'image/webp'), input(Buffer.from('b'))],
    mask: input(Buffer.from('m')),
  };
  const request = prepare('edit', { ...BODY, moderation: 'low' }, 2, inputs);
  expect(request).toMatchObject({ path: '/images/edits', contentType: 'application/json' });
  expect(JSON.parse(bodyOf(request).toString())).toEqual({
    ...BODY,
    moderation: 'low',
    n: 2,
    images: [
      { image_url: `data:image/webp;base64,${bytes.toString('base64')}` },
      { image_url: 'data:image/png;base64,Yg==' },
    ],
    mask: { image_url: 'data:image/png;base64,bQ==' },
  });
});

test('a variation is a form without a prompt', async () => {
  const form = await formOf(
    prepare('variation', { model: 'dall-e-2', response_format: 'b64_json' }, 2, {
      ...NONE,
      images: [input(Buffer.from('x'))],
    }),
  );
  expect(form.map(([name]) => name)).toEqual(['model', 'response_format', 'n', 'image']);
});

test('says when no image is needed any more, before the reply is there', async () => {
  const image = input(Buffer.alloc(1_000_000));
  let isFree = false;
  const request = prepareRequest(
    { operation: 'edit', body: BODY, images: 1, inputs: { ...NONE, images: [image] } },
    () => Buffer.alloc(1_000_000),
    () => {
      isFree = true;
    },
  );
  expect(isFree).toBe(false);
  bodyOf(request);
  expect(isFree).toBe(true);
});
