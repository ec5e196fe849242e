import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { KeepOptions, StoredImage } from './beside-image.ts';
import { openDiskStore } from './disk.ts';
import { downscaleImage, inspectImage } from './inspect.ts';
import { findStored, saveImage } from './save-image.ts';
import { type ImageStore, StorageError } from './store.ts';
import { startTestS3, type TestS3 } from './test-s3.ts';

let s3: TestS3;
let disk: ImageStore;
let folder: string;
let big: Buffer;
let other: Buffer;
let jobs = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-save-'));
  disk = await openDiskStore(folder);
  s3 = await startTestS3();
  const noise = Buffer.from(Array.from({ length: 512 * 512 * 3 }, (_, at) => (at * at * 7_919) % 251));
  big = await sharp(noise, { raw: { width: 512, height: 512, channels: 3 } })
    .png()
    .toBuffer();
  other = await sharp(big).negate().png().toBuffer();
});

afterEach(() => s3.clearFaults());
afterAll(async () => {
  await s3.close();
  await rm(folder, { recursive: true });
});

/** Where an image of a job of its own goes. */
function nextPlace(): KeepOptions {
  jobs += 1;
  return { account: 'acme', jobId: `job_${jobs}`, index: 0, outputFormat: 'png', metadata: { model: 'gpt-image-2' } };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const readJson = async (store: ImageStore, key: string): Promise<unknown> =>
  JSON.parse(Buffer.from((await store.read(key)) ?? []).toString());

const KINDS = [
  ['disk', () => disk],
  ['s3', () => s3.store],
] as const;

describe.each(KINDS)('an image saved on %s', (_name, storeOf) => {
  test('is kept unchanged, measured, with its provenance beside it, and found again', async () => {
    const store = storeOf();
    const place = nextPlace();
    const provenance = { prompt: 'a white siamese cat — ✓', cost_usd: 0.04 };
    const image = await saveImage(store, { ...place, provenance, bytes: big });
    const key = `images/acme/${place.jobId}/0.png`;
    expect(image).toEqual({
      key,
      contentType: 'image/png',
      bytes: big.length,
      width: 512,
      height: 512,
      sha256: sha256(big),
    });
    expect(sha256((await store.read(key)) ?? big.subarray(1))).toBe(image.sha256);
    expect(await store.head(key)).toMatchObject({ contentType: 'image/png', metadata: { model: 'gpt-image-2' } });
    expect(await readJson(store, `${key}.json`)).toEqual({ ...provenance, image });
    expect(await Array.fromAsync(store.list(`images/acme/${place.jobId}/`))).toEqual([key, `${key}.json`]);
    expect(await findStored(store, place)).toEqual(image);
  });

  test('lies under the format asked for, with the type that came', async () => {
    const place = { ...nextPlace(), outputFormat: 'webp' as const };
    const image = await saveImage(storeOf(), { ...place, bytes: big });
    expect(image).toMatchObject({ key: `images/acme/${place.jobId}/0.webp`, contentType: 'image/png' });
    expect(await findStored(storeOf(), place)).toEqual(image);
  });

  test('scaled down keeps the original', async () => {
    const store = storeOf();
    const place = { ...nextPlace(), downscaleTo: { width: 256, height: 256 } };
    const image = await saveImage(store, { ...place, bytes: big, provenance: { a: 1 } });
    const stem = `images/acme/${place.jobId}/0`;
    expect(image).toMatchObject({ key: `${stem}.png`, width: 256, height: 256, contentType: 'image/png' });
    expect(await inspectImage((await store.read(`${stem}.png`)) ?? big)).toMatchObject({ sha256: image.sha256 });
    expect(sha256((await store.read(`${stem}.original.png`)) ?? big.subarray(1))).toBe(sha256(big));
    expect(await findStored(store, place)).toEqual(image);
  });

  test('is not scaled up, nor scaled when it is SVG', async () => {
    const place = { ...nextPlace(), downscaleTo: { width: 1_024, height: 1_024 } };
    expect(await saveImage(storeOf(), { ...place, bytes: big })).toMatchObject({ width: 512, sha256: sha256(big) });
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="2000" height="2000"/>');
    const drawn = { ...nextPlace(), outputFormat: 'svg' as const, downscaleTo: { width: 256, height: 256 } };
    expect(await saveImage(storeOf(), { ...drawn, bytes: svg })).toMatchObject({
      contentType: 'image/svg+xml',
      width: 2_000,
      sha256: sha256(svg),
    });
  });

  test('that cannot be decoded whole is delivered as it came', async () => {
    const cut = big.subarray(0, big.length / 2);
    const place = { ...nextPlace(), downscaleTo: { width: 256, height: 256 } };
    expect(await saveImage(storeOf(), { ...place, bytes: cut })).toMatchObject({ width: 512, sha256: sha256(cut) });
  });

  test('that is no image is refused, but its bytes are kept', async () => {
    const store = storeOf();
    const place = nextPlace();
    const html = Buffer.from('<!DOCTYPE html><html><body>oops</body></html>');
    await expect(saveImage(store, { ...place, bytes: html })).rejects.toMatchObject({ code: 'invalid_image' });
    expect(await findStored(store, place)).toBeNull();
    const key = `images/acme/${place.jobId}/0.unreadable.bin`;
    expect(Buffer.from((await store.read(key)) ?? [])).toEqual(html);
  });

  test('is not found when nothing, nothing in it, or no image is there', async () => {
    const store = storeOf();
    for (const bytes of [Buffer.alloc(0), Buffer.from('<html></html>'), big.subarray(0, 10)]) {
      const place = nextPlace();
      expect(await findStored(store, place)).toBeNull();
      await store.put(`images/acme/${place.jobId}/0.png`, bytes, { contentType: 'image/png' });
      expect(await findStored(store, place)).toBeNull();
    }
  });

  test('is finished when the earlier try died between its files', async () => {
    const store = storeOf();
    const place = { ...nextPlace(), downscaleTo: { width: 256, height: 256 }, provenance: { model: 'm' } };
    const stem = `images/acme/${place.jobId}/0`;
    await store.put(`${stem}.original.png`, big, { contentType: 'image/png' });
    const image = await findStored(store, place);
    expect(image).toMatchObject({ key: `${stem}.png`, width: 256 });
    expect(await readJson(store, `${stem}.png.json`)).toEqual({ model: 'm', image });
    await store.delete(`${stem}.png.json`);
    expect(await findStored(store, place)).toEqual(image);
    expect(await readJson(store, `${stem}.png.json`)).toEqual({ model: 'm', image });
  });

  test('twice is once', async () => {
    const place = { ...nextPlace(), provenance: {} };
    const first = await saveImage(storeOf(), { ...place, bytes: big });
    expect(await saveImage(storeOf(), { ...place, bytes: big })).toEqual(first);
    expect(await Array.fromAsync(storeOf().list(`images/acme/${place.jobId}/`))).toHaveLength(2);
  });
});

describe.each(KINDS)('two answers for one image on %s', (_name, storeOf) => {
  const SCALES = [null, { width: 256, height: 256 }];
  const answerOf = (place: KeepOptions, id: string, bytes: Uint8Array) => {
    return { ...place, provenance: { prompt: 'p' }, attempt: { upstream_request_id: id }, bytes };
  };
  type Answer = ReturnType<typeof answerOf>;
  /** As a worker does it. */
  const keep = async (store: ImageStore, answer: Answer): Promise<StoredImage> =>
    (await findStored(store, answer)) ?? (await saveImage(store, answer));

  /** That what lies in storage belongs together, and is what `image` says; gives back whose it is. */
  async function expectAgreement(store: ImageStore, place: KeepOptions, image: StoredImage): Promise<unknown> {
    const bytes = (await store.read(image.key)) ?? Buffer.alloc(0);
    expect(sha256(bytes)).toBe(image.sha256);
    const provenance = (await readJson(store, `${image.key}.json`)) as { upstream_request_id: unknown };
    expect(provenance).toMatchObject({ prompt: 'p', image });
    const { metadata = {} } = (await store.head(image.key)) ?? {};
    expect(metadata['upstream-request-id']).toBe(provenance.upstream_request_id);
    if (place.downscaleTo) {
      const key = `images/acme/${place.jobId}/0.original.png`;
      const original = (await store.read(key)) ?? Buffer.alloc(0);
      expect(sha256(await downscaleImage(original, 256, 256, 'png'))).toBe(image.sha256);
      expect((await store.head(key))?.metadata).toMatchObject({
        'upstream-request-id': provenance.upstream_request_id,
      });
    }
    return provenance.upstream_request_id;
  }

  test.each(SCALES)(
    '(scaled to %j): a put that comes after the other’s record replaces nothing',
    async (downscaleTo) => {
      const store = storeOf();
      const place = { ...nextPlace(), downscaleTo };
      const recorded = await keep(store, answerOf(place, 'req_b', other));
      expect(await saveImage(store, answerOf(place, 'req_a', big))).toEqual(recorded);
      expect(await expectAgreement(store, place, recorded)).toBe('req_b');
    },
  );

  test.each(SCALES)('(scaled to %j): one that stands still at any step ends with the same', async (downscaleTo) => {
    const store = storeOf();
    for (let step = 1, isReached = true; isReached; step += 1) {
      const place = { ...nextPlace(), downscaleTo };
      const { promise: thawed, resolve: thaw } = Promise.withResolvers<void>();
      const { promise: frozen, resolve: freeze } = Promise.withResolvers<'frozen'>();
      let steps = 0;
      const halting = before(store, async () => {
        steps += 1;
        if (steps !== step) return;
        freeze('frozen');
        await thawed;
      });
      const late = keep(halting, answerOf(place, 'req_a', big));
      isReached = (await Promise.race([frozen, late])) === 'frozen';
      const recorded = await keep(store, answerOf(place, 'req_b', other));
      thaw();
      expect(await late).toEqual(recorded);
      expect(['req_a', 'req_b']).toContain(await expectAgreement(store, place, recorded));
    }
  });

  test.each(SCALES)('(scaled to %j): what one that died left makes one whole with the other’s', async (downscaleTo) => {
    const store = storeOf();
    for (let left = 0, sets = 1; left < sets; left += 1) {
      const place = { ...nextPlace(), downscaleTo };
      await keep(store, answerOf(place, 'req_a', big));
      const keys = await Array.fromAsync(store.list(`images/acme/${place.jobId}/`));
      sets = 2 ** keys.length;
      const isLeft = (_: string, at: number): boolean => (left >> at) % 2 === 1;
      for (const key of keys.filter((key, at) => !isLeft(key, at))) await store.delete(key);
      const hasImage = keys.filter(isLeft).some((key) => key.endsWith('.png'));
      const image = await keep(store, answerOf(place, 'req_b', other));
      // Without its original an image is whole all the same.
      const isScaled = await store.head(`images/acme/${place.jobId}/0.original.png`);
      const found = await expectAgreement(store, isScaled ? place : { ...place, downscaleTo: null }, image);
      expect(found).toBe(hasImage ? 'req_a' : 'req_b');
    }
  });

  test('a file in the image’s place that is none gives way', async () => {
    const place = nextPlace();
    const answer = answerOf(place, 'req_a', big);
    await storeOf().put(`images/acme/${place.jobId}/0.png`, Buffer.from('<html></html>'), { contentType: 'text/html' });
    expect(await expectAgreement(storeOf(), place, await keep(storeOf(), answer))).toBe('req_a');
  });

  test('what was written without its metadata is said to be of an unknown attempt', async () => {
    const store = storeOf();
    const place = nextPlace();
    await store.put(`images/acme/${place.jobId}/0.png`, big, { contentType: 'image/png' });
    const image = await keep(store, answerOf(place, 'req_b', other));
    expect(image.sha256).toBe(sha256(big));
    expect(await readJson(store, `${image.key}.json`)).toEqual({ prompt: 'p', upstream_request_id: 'unknown', image });
  });
});

/** The store itself, each of whose calls waits for `wait` first. */
function before(store: ImageStore, wait: () => Promise<void>): ImageStore {
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name, target) as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]) => {
        await wait();
        return await method.apply(target, args);
      };
    },
  });
}

test('an image stored by a try whose reply was lost is stored', async () => {
  const place = { ...nextPlace(), provenance: {}, attempt: { upstream_request_id: 'req_1' } };
  await s3.fault({ kind: 'reset_after_store', operation: 'Put', count: 2 });
  const image = await saveImage(s3.store, { ...place, bytes: big });
  expect(image.sha256).toBe(sha256(big));
  expect(await readJson(s3.store, `${image.key}.json`)).toEqual({ upstream_request_id: 'req_1', image });
});

describe('when storage is away', () => {
  const away = { kind: 'status', params: { status: 500 }, count: 1_000 };

  test('saving throws StorageError, and works again with the same bytes afterwards', async () => {
    const place = { ...nextPlace(), provenance: {} };
    await s3.fault({ ...away, operation: 'Put' });
    await expect(saveImage(s3.store, { ...place, bytes: big })).rejects.toThrow(StorageError);
    await expect(saveImage(s3.store, { ...place, bytes: Buffer.from('no image') })).rejects.toThrow(StorageError);
    await s3.clearFaults();
    expect(await saveImage(s3.store, { ...place, bytes: big })).toMatchObject({ sha256: sha256(big) });
  });

  test('looking an image up throws StorageError: absent is never guessed', async () => {
    const place = nextPlace();
    await saveImage(s3.store, { ...place, bytes: big });
    await s3.fault({ ...away, operation: 'Get' });
    await expect(findStored(s3.store, place)).rejects.toThrow(StorageError);
  });

  test('the image goes before its provenance', async () => {
    const place = { ...nextPlace(), provenance: { a: 1 } };
    await s3.fault({ ...away, keyContains: '.json' });
    await expect(saveImage(s3.store, { ...place, bytes: big })).rejects.toThrow(StorageError);
    await s3.clearFaults();
    expect(await findStored(s3.store, place)).toMatchObject({ sha256: sha256(big) });
  });
});
