// Puts one paid image into storage, and finds again what an earlier try put there. The keys are fixed and the first bytes
// under a key stay, so all may be repeated at any point, and two may do it at once with different bytes (a worker that was
// frozen, and the one that bought anew): both get the image that was first.
//
//   original (only if scaled) ──▶ image ──▶ provenance
//
// Each step goes on from what lies in storage after the one before. The last two are put together: a provenance that came
// before its image, of a writer that was not first, is replaced by whoever finds that it tells of other bytes.
import { hash } from 'node:crypto';
import { ServiceError } from '../base/errors.ts';
import {
  asStored,
  finishProvenance,
  type KeepOptions,
  metadataOf,
  provenanceOf,
  type StoredImage,
} from './beside-image.ts';
import { downscaleImage, type ImageHeader, readHeader } from './inspect.ts';
import { imageKey, originalKey, unreadableKey } from './keys.ts';
import { type ImageStore, type NewObject, StorageError } from './store.ts';

export interface SaveOptions extends KeepOptions {
  readonly bytes: Uint8Array;
}

/** Bytes that are an image. */
interface Measured {
  readonly bytes: Uint8Array;
  readonly header: ImageHeader;
}

/** Hashes the bytes. */
function toStored(key: string, { bytes, header }: Measured): StoredImage {
  const { contentType, width, height } = header;
  return { key, contentType, bytes: header.bytes, width, height, sha256: hash('sha256', bytes) };
}

function toObject(key: string, { bytes, header }: Measured, options: KeepOptions): NewObject {
  return { key, bytes, contentType: header.contentType, metadata: metadataOf(options) };
}

/** The bytes to show: scaled down when asked for and possible, else the ones that came. */
async function scaled({ bytes, header }: Measured, options: KeepOptions): Promise<Uint8Array> {
  const { downscaleTo, outputFormat } = options;
  const fits = !downscaleTo || (header.width <= downscaleTo.width && header.height <= downscaleTo.height);
  if (fits || header.format === 'svg') return bytes;
  const format = outputFormat === 'svg' ? header.format : outputFormat;
  return await downscaleImage(bytes, downscaleTo.width, downscaleTo.height, format).catch((error: unknown) => {
    // A paid image that cannot be decoded whole is still delivered; the record states its true size.
    if (error instanceof ServiceError && error.code === 'invalid_image') return bytes;
    throw error;
  });
}

/**
 * Stores a paid image and returns what it is, measured; where another is stored already, that one. Throws StorageError when
 * the storage is away: the caller keeps the bytes and calls again. Bytes that are no image are stored too, out of the way,
 * then ServiceError `invalid_image`.
 */
export async function saveImage(store: ImageStore, options: SaveOptions): Promise<StoredImage> {
  const { account, jobId, index, outputFormat, bytes, signal } = options;
  const header = await readHeader(bytes).catch(async (error: unknown) => {
    const object = { bytes, contentType: 'application/octet-stream', metadata: metadataOf(options) };
    await store.putAll([{ ...object, key: unreadableKey(account, jobId, index) }], signal);
    throw error;
  });
  const ours: Measured = { bytes, header };
  if (!options.downscaleTo) return await show(store, ours, options);
  const key = originalKey(account, jobId, index, outputFormat);
  const first = await putFirst(store, [toObject(key, ours, options)], signal);
  return first === null ? await show(store, ours, options) : await showOriginal(store, key, first, options);
}

/** The same, and where one is stored already nothing is sent: a storage that is full, or replaces what it has, will do. */
export async function saveUnlessStored(store: ImageStore, options: SaveOptions): Promise<StoredImage> {
  return (await findStored(store, options)) ?? (await saveImage(store, options));
}

/** Makes of the original, or of the bytes as they came, the image to show. */
async function show(store: ImageStore, source: Measured, options: KeepOptions): Promise<StoredImage> {
  const { account, jobId, index, outputFormat, signal } = options;
  const key = imageKey(account, jobId, index, outputFormat);
  const bytes = await scaled(source, options);
  const shown = bytes === source.bytes ? source : { bytes, header: await readHeader(bytes) };
  let image: StoredImage | null = null;
  // Hashed while its bytes are on their way to the storage.
  const describe = (): StoredImage => (image ??= toStored(key, shown));
  const objects = [toObject(key, shown, options), ...provenanceOf(key, describe, options)] as const;
  const first = await putFirst(store, objects, signal);
  if (first === null) return describe();
  const found = toStored(key, first);
  await finishProvenance(store, found, options);
  return found;
}

async function showOriginal(store: ImageStore, key: string, original: Measured, options: KeepOptions) {
  return await show(store, original, await asStored(store, key, options));
}

/**
 * Puts an image and what goes beside it where there is none: null. Else what lies under the image's key, which may be these very
 * bytes; what is no image is replaced.
 */
async function putFirst(
  store: ImageStore,
  objects: readonly [NewObject, ...NewObject[]],
  signal?: AbortSignal,
): Promise<Measured | null> {
  if (await store.putNew(objects, signal)) return null;
  const [{ key }] = objects;
  const there = await readMeasured(store, key, signal);
  if (there !== null) return there;
  // Never replaced on a guess: it may be the recorded one.
  if ((await store.head(key)) === null) throw new StorageError('The image storage hides an image that it has.', null);
  await store.putAll(objects, signal);
  return null;
}

async function readMeasured(store: ImageStore, key: string, signal?: AbortSignal): Promise<Measured | null> {
  const bytes = await store.read(key, signal);
  if (bytes === null) return null;
  try {
    return { bytes, header: await readHeader(bytes) };
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'invalid_image') return null;
    throw error;
  }
}

/**
 * The image an earlier try has stored, measured anew, or null when there is none; a file that is no image counts as
 * none. Finishes what that try left undone: scales an original whose scaled image is missing, writes provenance that is
 * missing or tells of other bytes. Throws StorageError when the storage is away: then nobody knows whether the image must
 * be bought.
 */
export async function findStored(store: ImageStore, options: KeepOptions): Promise<StoredImage | null> {
  const { account, jobId, index, outputFormat, signal } = options;
  const key = imageKey(account, jobId, index, outputFormat);
  const found = await readMeasured(store, key, signal);
  if (found !== null) {
    const image = toStored(key, found);
    await finishProvenance(store, image, options);
    return image;
  }
  if (!options.downscaleTo) return null;
  const sourceKey = originalKey(account, jobId, index, outputFormat);
  const original = await readMeasured(store, sourceKey, signal);
  return original === null ? null : await showOriginal(store, sourceKey, original, options);
}
