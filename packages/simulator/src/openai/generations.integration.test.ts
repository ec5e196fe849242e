import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findImageId } from './image-id.ts';
import { isLegacy, models } from './models.ts';
import { type Kit, startKit } from './test-kit.ts';

let kit: Kit;
beforeAll(async () => {
  kit = await startKit({ reality: 'everything' });
});
afterAll(() => kit.close());
beforeEach(() => kit.reset());

describe.each(models.map((model) => [model.id, model] as const))('%s', (id, model) => {
  const sizes = model.size.values ?? ['1024x1024', '1792x1024', '1024x1792', '2048x1152'];

  test.each(sizes)('makes an image of %s that carries its id', async (size) => {
    const extra = isLegacy(model) ? { response_format: 'b64_json' as const } : {};
    const reply = await kit.client.images.generate({ model: id, prompt: 'a white siamese cat', size, ...extra });
    const bytes = Buffer.from(reply.data?.[0]?.b64_json ?? '', 'base64');
    const { width, height, format } = await sharp(bytes).metadata();
    expect({ size: `${width}x${height}`, format }).toEqual({ size, format: 'png' });
    const { images, requests } = await kit.ledger();
    expect(images.map((image) => image.id)).toEqual([findImageId(bytes)]);
    expect(requests[0]).toMatchObject({
      model: id,
      outcome: 'answered',
      status: 200,
      billedImages: 1,
      n: 1,
      key: '1234',
    });
    expect(images[0]?.costUsd).toBeGreaterThan(0);
  });

  test('reports usage if it is priced by tokens, and echoes what auto became', async () => {
    const reply = await kit.client.images.generate({ model: id, prompt: 'a cat' });
    if (isLegacy(model)) {
      expect(Object.keys(reply).filter((name) => !name.startsWith('_'))).toEqual(['created', 'data']);
      return;
    }
    expect(reply).toMatchObject({ size: '1024x1024', quality: 'medium', background: 'opaque', output_format: 'png' });
    const { usage } = reply;
    expect(usage?.input_tokens).toBe(8);
    expect(usage?.total_tokens).toBe((usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0));
    expect(usage?.output_tokens).toBeGreaterThan(100);
  });
});

test.each([
  ['png', undefined],
  ['jpeg', 60],
  ['webp', 80],
] as const)('encodes %s for real, full rendering', async (format, compression) => {
  await kit.control('POST', '/settings', { rendering: 'full' });
  const request = { model: 'gpt-image-2', prompt: `night city as ${format}`, output_format: format, n: 2 };
  const reply = await kit.client.images.generate({
    ...request,
    ...(compression === undefined ? {} : { output_compression: compression }),
  });
  const { images } = await kit.ledger();
  expect(reply.data).toHaveLength(2);
  for (const [index, entry] of (reply.data ?? []).entries()) {
    const bytes = Buffer.from(entry.b64_json ?? '', 'base64');
    expect((await sharp(bytes).stats()).channels[0]?.stdev).toBeGreaterThan(5);
    expect((await sharp(bytes).metadata()).format).toBe(format);
    expect(findImageId(bytes)).toBe(images[index]?.id);
    expect(images[index]).toMatchObject({ bytes: bytes.length, format, index, size: '1024x1024' });
  }
});

test.each(['png', 'webp'] as const)('a transparent %s has see-through pixels', async (format) => {
  await kit.control('POST', '/settings', { rendering: 'full' });
  const request = { model: 'gpt-image-2.5-flare', prompt: 'a sticker', background: 'transparent' as const };
  const reply = await kit.client.images.generate({ ...request, output_format: format });
  expect(reply.background).toBe('transparent');
  const { isOpaque } = await sharp(Buffer.from(reply.data?.[0]?.b64_json ?? '', 'base64')).stats();
  expect(isOpaque).toBe(false);
});

test('the same prompt gives the same picture, its images of one request differ', async () => {
  await kit.control('POST', '/settings', { rendering: 'full' });
  const request = { model: 'gpt-image-2', prompt: 'two of a kind', n: 2 };
  const reply = await kit.client.images.generate(request);
  const [first, second] = (reply.data ?? []).map((entry) => entry.b64_json?.slice(2000, 4000));
  expect(first).not.toBe(second);
});

test('replies carry the headers of the real service', async () => {
  const reply = await kit.post('/v1/images/generations', {
    model: 'gpt-image-2',
    prompt: 'x',
    safety_identifier: 'ü1',
  });
  const { requests } = await kit.ledger();
  expect(Object.fromEntries(reply.headers)).toMatchObject({
    'content-type': 'application/json',
    'x-request-id': requests[0]?.id,
    'openai-version': '2020-10-01',
    'openai-organization': expect.stringContaining('org-'),
    'openai-processing-ms': expect.stringMatching(/^\d+$/),
  });
  expect(await reply.json()).toMatchObject({ safety_identifier: 'ü1' });
});

test('a dated snapshot is the same model and is billed under the name sent', async () => {
  await kit.client.images.generate({ model: 'gpt-image-2-2026-04-21', prompt: 'x' });
  expect((await kit.ledger()).images[0]?.model).toBe('gpt-image-2-2026-04-21');
});

test('a client that leaves is billed all the same', async () => {
  await kit.fault({ kind: 'latency', params: { ms: 500 } });
  const abort = new AbortController();
  const left = kit.client.images.generate({ model: 'gpt-image-2', prompt: 'x', n: 3 }, { signal: abort.signal });
  const gone = expect(left).rejects.toThrow(/abort/i);
  await expect.poll(async () => (await kit.control('GET', '/stats')).json.inFlight, { interval: 5 }).toBe(1);
  abort.abort();
  await gone;
  await expect
    .poll(async () => (await kit.ledger()).requests[0])
    .toMatchObject({ outcome: 'client_gone', billedImages: 3 });
  expect((await kit.ledger()).images).toHaveLength(3);
});

test('overlap can be read from the books and from the maxima', async () => {
  await kit.fault({ kind: 'latency', params: { ms: 300 } });
  const models = ['gpt-image-2', 'gpt-image-2', 'gpt-image-2.6-flare'];
  await Promise.all(models.map((model) => kit.client.images.generate({ model, prompt: 'x' })));
  const { requests } = await kit.ledger();
  const lastStart = Math.max(...requests.map((row) => row.at));
  expect(requests.every((row) => (row.endedAt ?? 0) > lastStart)).toBe(true);
  expect((await kit.control('GET', '/stats')).json).toMatchObject({
    inFlight: 0,
    maxInFlight: 3,
    maxInFlightByModel: { 'gpt-image-2': 2, 'gpt-image-2.6-flare': 1 },
    requests: 3,
    images: 3,
  });
});
