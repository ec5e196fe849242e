// The hash of an object in storage, a piece at a time.
import { createHash } from 'node:crypto';
import type { ImageStore } from '@darkroom/shared/images/store.ts';

/** Hex; null when there is no such object. */
export async function sha256Of(store: ImageStore, key: string): Promise<string | null> {
  const found = await store.get(key);
  if (found === null) return null;
  const hash = createHash('sha256');
  for await (const piece of found.body) hash.update(piece as Buffer);
  return hash.digest('hex');
}
