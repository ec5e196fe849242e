// Paid images that lie in storage and stand in no record: whoever stored them died before it could say so. Looked for before
// anything is bought again, before a link is followed that may lead there but once, and before anything is said to be lost.

import { toMetadataName } from '@darkroom/shared/images/metadata.ts';
import { findStored } from '@darkroom/shared/images/save-image.ts';
import { StorageError } from '@darkroom/shared/images/store.ts';
import type { ImageRow, JobRecord, SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import type { Deps } from '../deps.ts';
import { keepOptionsOf } from './keep-image.ts';

type Attempt = JobRecord['attempts'][number];

/** What is found, by index. */
export type FoundImages = ReadonlyMap<number, ImageRow>;

/** Throws StorageError. */
export async function findImage(
  deps: Deps,
  record: JobRecord,
  index: number,
  attempt: Attempt,
  signal?: AbortSignal,
): Promise<ImageRow | null> {
  const options = keepOptionsOf(record, index, attempt);
  const stored = await findStored(deps.store, { ...options, ...(signal && { signal }) });
  return stored === null ? null : { index, revisedPrompt: null, ...stored };
}

/**
 * All images of a waiting answer that its job's record lacks. One after the other: each is read whole. null: the storage is
 * away, so nobody knows.
 */
export async function lookInStorage(
  deps: Deps,
  record: JobRecord,
  attempt: Attempt,
  row: SpooledAnswerRow,
  signal?: AbortSignal,
): Promise<FoundImages | null> {
  const found = new Map<number, ImageRow>();
  try {
    for (const [place, index] of attempt.images.entries()) {
      const image = record.images.has(index) ? null : await findImage(deps, record, index, attempt, signal);
      const revisedPrompt = row.revisedPrompts?.[place] ?? null;
      if (image !== null)
        found.set(index, { ...image, revisedPrompt: await promptOf(deps, image, attempt, revisedPrompt) });
    }
    return found;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    deps.breaker.trip(error.message);
    return null;
  }
}

const REQUEST_ID = toMetadataName('upstream_request_id');

/** An image that another attempt has stored has another prompt. */
async function promptOf(
  { store }: Deps,
  { key }: ImageRow,
  { requestId }: Attempt,
  prompt: string | null,
): Promise<string | null> {
  if (prompt === null || !requestId) return null;
  return (await store.head(key))?.metadata[REQUEST_ID] === requestId ? prompt : null;
}
