// Puts one paid image into storage, and finds again what an earlier try put there. The bytes go first and unchanged; the
// keys are fixed, so both may be repeated at any point without harm.
import { ServiceError } from '../base/errors.ts';
import { downscaleImage, type ImageFacts, inspectImage } from './inspect.ts';
import { type ImagePlace, imageKey, originalKey, provenanceKey, unreadableKey } from './keys.ts';
import type { ImageStore, NewObject, PutOptions } from './store.ts';

/** An image in storage, as the job's record lists it. */
export interface StoredImage {
  readonly key: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  /** Hex. */
  readonly sha256: string;
}

/** What is known about an image beside its bytes, and what is to become of it. */
export interface KeepOptions extends ImagePlace {
  /** Ids, model, size, quality, cost; never the prompt. See `toMetadata` for what is kept of it. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Written as JSON beside the image, with the image's measured facts as `image`. */
  readonly provenance?: object;
  /** Scale down to fit (results asked at 256 or 512 px); the original is kept. Null or absent: keep as it is. */
  readonly downscaleTo?: { readonly width: number; readonly height: number } | null;
  readonly signal?: AbortSignal;
}

export interface SaveOptions extends KeepOptions {
  readonly bytes: Uint8Array;
}

function putOptions(contentType: string, { metadata, signal }: KeepOptions): PutOptions {
  return {
    contentType,
    ...(metadata === undefined ? {} : { metadata }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function toStored(key: string, facts: ImageFacts): StoredImage {
  const { contentType, bytes, width, height, sha256 } = facts;
  return { key, contentType, bytes, width, height, sha256 };
}

function provenanceOf(image: StoredImage, { provenance }: KeepOptions): NewObject[] {
  if (provenance === undefined) return [];
  const json = JSON.stringify({ ...provenance, image }, null, 2);
  return [{ key: provenanceKey(image.key), bytes: Buffer.from(json), contentType: 'application/json' }];
}

/** The bytes to show: scaled down when asked for and possible, else the ones that came. */
async function scaled(bytes: Uint8Array, facts: ImageFacts, options: KeepOptions): Promise<Uint8Array> {
  const { downscaleTo, outputFormat } = options;
  const fits = !downscaleTo || (facts.width <= downscaleTo.width && facts.height <= downscaleTo.height);
  if (fits || facts.format === 'svg') return bytes;
  const format = outputFormat === 'svg' ? facts.format : outputFormat;
  return await downscaleImage(bytes, downscaleTo.width, downscaleTo.height, format).catch((error: unknown) => {
    // A paid image that cannot be decoded whole is still delivered; the record states its true size.
    if (error instanceof ServiceError && error.code === 'invalid_image') return bytes;
    throw error;
  });
}

/**
 * Stores a paid image and returns what it is, measured. Throws StorageError when the storage is away: the caller keeps
 * the bytes and calls again. Bytes that are no image are stored too, out of the way, then ServiceError `invalid_image`.
 */
export async function saveImage(store: ImageStore, options: SaveOptions): Promise<StoredImage> {
  const { account, jobId, index, outputFormat, bytes } = options;
  const key = imageKey(account, jobId, index, outputFormat);
  const facts = await inspectImage(bytes).catch(async (error: unknown) => {
    await store.put(unreadableKey(account, jobId, index), bytes, putOptions('application/octet-stream', options));
    throw error;
  });
  if (options.downscaleTo) {
    const original = originalKey(account, jobId, index, outputFormat);
    await store.put(original, bytes, putOptions(facts.contentType, options));
  }
  const shown = await scaled(bytes, facts, options);
  const shownFacts = shown === bytes ? facts : await inspectImage(shown);
  const image = toStored(key, shownFacts);
  const { metadata = {}, signal } = options;
  const object = { key, bytes: shown, contentType: shownFacts.contentType, metadata };
  await store.putAll([object, ...provenanceOf(image, options)], signal);
  return image;
}

async function readMeasured(store: ImageStore, key: string, signal?: AbortSignal) {
  const bytes = await store.read(key, signal);
  if (bytes === null) return null;
  try {
    return { bytes, facts: await inspectImage(bytes) };
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'invalid_image') return null;
    throw error;
  }
}

/**
 * The image an earlier try has stored, measured anew, or null when there is none; a file that is no image counts as
 * none. Finishes what that try left undone: scales an original whose scaled image is missing, writes provenance that is
 * missing. Throws StorageError when the storage is away: then nobody knows whether the image must be bought.
 */
export async function findStored(store: ImageStore, options: KeepOptions): Promise<StoredImage | null> {
  const { account, jobId, index, outputFormat, signal } = options;
  const key = imageKey(account, jobId, index, outputFormat);
  const found = await readMeasured(store, key, signal);
  if (found !== null) {
    const image = toStored(key, found.facts);
    if (options.provenance !== undefined && (await store.head(provenanceKey(key))) === null) {
      await store.putAll(provenanceOf(image, options), signal);
    }
    return image;
  }
  if (!options.downscaleTo) return null;
  const original = await readMeasured(store, originalKey(account, jobId, index, outputFormat), signal);
  return original === null ? null : await saveImage(store, { ...options, bytes: original.bytes });
}
