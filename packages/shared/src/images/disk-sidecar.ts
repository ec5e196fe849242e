// What the disk store keeps beside an object: its content type and metadata, unless its name says all.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ignoreMissing } from './files.ts';
import { assertContentType, toMetadata } from './metadata.ts';
import type { PutOptions } from './store.ts';

const sidecarSchema = z.object({ contentType: z.string(), metadata: z.record(z.string(), z.string()) });
type Sidecar = z.infer<typeof sidecarSchema>;

/** Null when there is none that can be read. */
export async function readSidecar(path: string): Promise<Sidecar | null> {
  const text = await readFile(path, 'utf8').catch(ignoreMissing);
  try {
    return text === undefined ? null : sidecarSchema.parse(JSON.parse(text));
  } catch {
    return null; // torn or foreign: as good as missing, the type comes from the bytes
  }
}

/** Of names that say it: such an object has a sidecar only when there is more to say. */
export function typeOfName(key: string): string | null {
  return key.endsWith('.json') ? 'application/json' : null;
}

/** Null when the name says it all. Throws TypeError for a content type that is none. */
export function sidecarOf(
  key: string,
  { contentType, metadata }: Pick<PutOptions, 'contentType' | 'metadata'>,
): Sidecar | null {
  assertContentType(contentType);
  const sidecar = { contentType, metadata: toMetadata(metadata) };
  const isNeedless = contentType === typeOfName(key) && Object.keys(sidecar.metadata).length === 0;
  return isNeedless ? null : sidecar;
}
