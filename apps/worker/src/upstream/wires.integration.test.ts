// Every wire against the simulator, which refuses what OpenAI refuses: parts without their true type, fields a form lacks.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { UpstreamBody } from '@darkroom/shared/models/price.ts';
import type { Operation } from '@darkroom/shared/models/rules.ts';
import type { InputRef, InputSet } from '@darkroom/shared/requests/inputs.ts';
import { type Kit, picture, startKit } from '@darkroom/simulator/openai/test-kit.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openUpstream, type Upstream, type UpstreamResult } from './client.ts';
import { prepareRequest, type WireRequest } from './prepare-request.ts';

const NONE: InputSet<InputRef> = { images: [], mask: null, markup: null };
const MEGABYTE = 1_024 ** 2;
const bytesOf = new Map<string, Buffer>();
const open: { close(): unknown }[] = [];
let kit: Kit;
let upstream: Upstream;
let png: InputRef;
let jpeg: InputRef;
let webp: InputRef;
let mask: InputRef;
let square: InputRef;

function input(bytes: Buffer, contentType: string): InputRef {
  const sha256 = String(bytesOf.size).padStart(64, '0');
  bytesOf.set(sha256, bytes);
  return { sha256, content_type: contentType, bytes: bytes.length, width: 64, height: 48 };
}

beforeAll(async () => {
  kit = await startKit({ reality: 'everything' });
  upstream = openUpstream({ apiKey: 'sk-test', baseUrl: `${kit.url}/v1`, callTimeoutMs: 20_000 });
  png = input(await picture(64, 48), 'image/png');
  jpeg = input(await picture(80, 80, 'jpeg'), 'image/jpeg');
  webp = input(await picture(32, 32, 'webp'), 'image/webp');
  mask = input(await picture(64, 48, 'png', true), 'image/png');
  square = input(await picture(64, 64, 'png', true), 'image/png');
});
afterAll(async () => {
  await upstream.close();
  await kit.close();
});
beforeEach(() => kit.reset());
afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing.close();
});

function wireOf(operation: Operation, body: UpstreamBody, images: number, inputs: InputSet<InputRef>): WireRequest {
  return prepareRequest(
    { operation, body: { ...body, ...inputs }, images, inputs },
    ({ sha256 }) => bytesOf.get(sha256) ?? Buffer.alloc(0),
    () => undefined,
  );
}

const EDIT = { model: 'gpt-image-2.6-flare', prompt: 'make it\nwinter', size: '1024x1024', quality: 'low' };

describe('the upstream takes', () => {
  test.each<[string, UpstreamBody, number, () => Partial<InputSet<InputRef>>]>([
    ['one image', EDIT, 1, () => ({ images: [png] })],
    ['a JPEG', EDIT, 2, () => ({ images: [jpeg] })],
    ['several images with a mask', EDIT, 2, () => ({ images: [png, jpeg, webp], mask })],
    ['a markup', EDIT, 1, () => ({ images: [png], markup: mask })],
    ['data URLs, where a field needs JSON', { ...EDIT, moderation: 'low' }, 2, () => ({ images: [png, webp], mask })],
    [
      'an old model’s fidelity',
      { ...EDIT, model: 'gpt-image-1.5', input_fidelity: 'high' },
      1,
      () => ({ images: [png] }),
    ],
    ['a compressed format', { ...EDIT, output_format: 'webp', output_compression: 50 }, 1, () => ({ images: [png] })],
  ])('an edit with %s', async (_, body, n, inputs) => {
    const result = await upstream.request(wireOf('edit', body, n, { ...NONE, ...inputs() }));
    expect(result.kind === 'answered' ? result.answer : result).toMatchObject({
      status: 200,
      images: Array.from({ length: n }, () => ({ kind: 'bytes' })),
      echo: { quality: 'low', size: '1024x1024' },
    });
    const { requests } = await kit.ledger();
    expect(requests).toMatchObject([{ operation: 'edit', n, prompt: 'make it\nwinter', outcome: 'answered' }]);
    expect(requests[0]?.usage?.input_tokens_details.image_tokens).toBeGreaterThan(0);
  });

  test('an edit of dall-e-2, whose replies are links unless asked otherwise', async () => {
    const body = { model: 'dall-e-2', prompt: 'x', size: '256x256', response_format: 'b64_json' };
    const result = await upstream.request(wireOf('edit', body, 2, { ...NONE, images: [square] }));
    expect(result).toMatchObject({
      kind: 'answered',
      answer: { images: [{ kind: 'bytes' }, { kind: 'bytes' }], usage: null },
    });
  });

  test('a variation', async () => {
    const body = { model: 'dall-e-2', size: '512x512', response_format: 'b64_json' };
    const result = await upstream.request(wireOf('variation', body, 3, { ...NONE, images: [square] }));
    expect(result.kind === 'answered' && result.answer.images).toHaveLength(3);
    expect((await kit.ledger()).requests).toMatchObject([{ operation: 'variation', n: 3, outcome: 'answered' }]);
  });
});

const errorOf = (result: UpstreamResult) => (result.kind === 'failed' ? result.error : null);

describe('the upstream refuses', () => {
  test('a variation today: the endpoint is gone', async () => {
    await kit.control('POST', '/settings', { reality: 'today' });
    const result = await upstream.request(wireOf('variation', { model: 'dall-e-2' }, 1, { ...NONE, images: [square] }));
    expect(errorOf(result)).toMatchObject({ verdict: 'final', code: 'unsupported_operation', status: 404 });
  });

  test('a broken image: final, with the upstream’s words', async () => {
    const broken = input(Buffer.from('no image'), 'image/png');
    const result = await upstream.request(wireOf('edit', EDIT, 1, { ...NONE, images: [broken] }));
    expect(errorOf(result)).toMatchObject({ verdict: 'final', code: 'invalid_image_file', status: 400 });
  });

  test('an upload before it is whole: the refusal counts, not the broken connection', async () => {
    const server = createServer((_, reply) => reply.writeHead(413, { connection: 'close' }).end('too large'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(server);
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const impatient = openUpstream({ apiKey: 'sk-test', baseUrl, callTimeoutMs: 10_000 });
    open.push(impatient);
    const large = input(Buffer.alloc(20 * MEGABYTE), 'image/png');
    const result = await impatient.request(wireOf('edit', EDIT, 1, { ...NONE, images: [large] }));
    expect(errorOf(result)).toMatchObject({ verdict: 'final', status: 413 });
  });
});

test('a request is not sent to its end once it may not be, and counts as not sent whole', async () => {
  const { promise: isBegun, resolve: begin } = Promise.withResolvers<IncomingMessage>();
  let isWhole = false;
  const server = createServer((request) => {
    request
      .on('error', () => undefined)
      .on('end', () => {
        isWhole = true;
      });
    begin(request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const slow = openUpstream({ apiKey: 'sk-test', baseUrl, callTimeoutMs: 10_000 });
  open.push(slow);
  let mayEnd = true;
  const large = input(Buffer.alloc(20 * MEGABYTE), 'image/png');
  const wire = wireOf('edit', EDIT, 1, { ...NONE, images: [large] });
  const result = slow.request(wire, Number.POSITIVE_INFINITY, () => mayEnd);
  const request = await isBegun; // nothing of its body is read, so that it can't be sent at once
  mayEnd = false;
  request.resume();
  expect(await result, 'nobody else is to blame').toEqual({ kind: 'late' });
  expect(isWhole).toBe(false);
});

test('an image is let go once it has been sent, however long the reply takes', async () => {
  const { promise: isAnswered, resolve: answer } = Promise.withResolvers<void>();
  const server = createServer((request, reply) => {
    request.resume().on('end', () => {
      void isAnswered.then(() => reply.end('{"data":[{"b64_json":"aGVsbG8="}]}'));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const slow = openUpstream({ apiKey: 'sk-test', baseUrl, callTimeoutMs: 10_000 });
  open.push(slow);
  const { promise: isSent, resolve: sent } = Promise.withResolvers<void>();
  const asked = { operation: 'edit' as const, body: EDIT, images: 1, inputs: { ...NONE, images: [png] } };
  const result = slow.request(prepareRequest(asked, () => Buffer.alloc(5 * MEGABYTE), sent));
  await isSent;
  answer();
  expect((await result).kind).toBe('answered');
});
