// What is said about an image beside its bytes: metadata with the object, and the provenance, a JSON document of its own. Both
// tell of the bytes that lie there, whoever writes them.
import { z } from 'zod';
import { type ImagePlace, provenanceKey } from './keys.ts';
import { toMetadataName } from './metadata.ts';
import type { ImageStore, NewObject } from './store.ts';

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
  /** Ids, model, size, quality; never the prompt. See `toMetadata` for what is kept of it. */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * Of the attempt that made the bytes: its id, its cost. For metadata and provenance. Of bytes found in storage what was
   * written with them counts.
   */
  readonly attempt?: Readonly<Record<string, string>>;
  /** Written as JSON beside the image, with the image's measured facts as `image`. */
  readonly provenance?: object;
  /** Scale down to fit (results asked at 256 or 512 px); the original is kept. Null or absent: keep as it is. */
  readonly downscaleTo?: { readonly width: number; readonly height: number } | null;
  readonly signal?: AbortSignal;
}

export function metadataOf({ metadata, attempt }: KeepOptions): Record<string, string> {
  return { ...metadata, ...attempt };
}

/** None when there is nothing to say. `describe` is asked when it is to be written. */
export function provenanceOf(
  key: string,
  describe: () => StoredImage,
  { provenance, attempt }: KeepOptions,
): NewObject[] {
  if (provenance === undefined) return [];
  const bytes = (): Buffer => Buffer.from(JSON.stringify({ ...provenance, ...attempt, image: describe() }, null, 2));
  return [{ key: provenanceKey(key), bytes, contentType: 'application/json' }];
}

/** For what is made of the bytes under `key`: the attempt is theirs, `unknown` where nothing was written with them. */
export async function asStored(store: ImageStore, key: string, options: KeepOptions): Promise<KeepOptions> {
  const { metadata = {} } = (await store.head(key)) ?? {};
  const names = Object.keys(options.attempt ?? {});
  return {
    ...options,
    attempt: Object.fromEntries(names.map((name) => [name, metadata[toMetadataName(name)] ?? 'unknown'])),
  };
}

/** Writes the provenance of an image in storage unless there is one that tells of these very bytes. */
export async function finishProvenance(store: ImageStore, image: StoredImage, options: KeepOptions): Promise<void> {
  const { provenance, signal } = options;
  if (provenance === undefined || (await describes(store, image, signal))) return;
  const kept = await asStored(store, image.key, options);
  await store.putAll(
    provenanceOf(image.key, () => image, kept),
    signal,
  );
}

const provenanceSchema = z.object({ image: z.object({ sha256: z.string() }) });

async function describes(store: ImageStore, image: StoredImage, signal?: AbortSignal): Promise<boolean> {
  const bytes = await store.read(provenanceKey(image.key), signal);
  if (bytes === null) return false;
  try {
    return provenanceSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))).image.sha256 === image.sha256;
  } catch {
    return false; // torn or foreign: as good as missing
  }
}
