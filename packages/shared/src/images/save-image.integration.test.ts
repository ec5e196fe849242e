import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openDiskStore } from './disk.ts';
import { inspectImage } from './inspect.ts';
import { findStored, type KeepOptions, saveImage } from './save-image.ts';
import { type ImageStore, StorageError } from './store.ts';
import { startTestS3, type TestS3 } from './test-s3.ts';

let s3: TestS3;
let disk: ImageStore;
let folder: string;
let big: Buffer;
let jobs = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-save-'));
  disk = await openDiskStore(folder);
  s3 = await startTestS3();
  const noise = Buffer.from(Array.from({ length: 512 * 512 * 3 }, (_, at) => (at * at * 7_919) % 251));
  big = await sharp(noise, { raw: { width: 512, height: 512, channels: 3 } })
    .png()
    .toBuffer();
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
