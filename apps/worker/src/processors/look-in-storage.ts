// Paid images that lie in storage and stand in no record: whoever stored them died before it could say so. Looked for before
// anything is bought again, before a link is followed that may lead there but once, and before anything is said to be lost.

import { imageKey } from '@darkroom/shared/images/keys.ts';
import { toMetadataName } from '@darkroom/shared/images/metadata.ts';
import { findStored } from '@darkroom/shared/images/save-image.ts';
import type { ImageRow, JobRecord, SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import type { AnswerId } from '@darkroom/shared/jobs/spool-steps.ts';
import type { Deps } from '../deps.ts';
import { askStorage, type Trouble } from './ask-storage.ts';
import { keepOptionsOf } from './keep-image.ts';

type Attempt = JobRecord['attempts'][number];

/** What is found, by index. */
type FoundImages = ReadonlyMap<number, ImageRow>;

/** Or why nobody knows. */
export type Looked = FoundImages | Trouble['kind'];

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
 * All images of a waiting answer that its job's record lacks. One after the other: each is read whole. With the storage away,
 * or one of them refused, nobody knows.
 */
export async function lookInStorage(
  deps: Deps,
  id: AnswerId,
  record: JobRecord,
  attempt: Attempt,
  row: SpooledAnswerRow,
  signal?: AbortSignal,
): Promise<Looked> {
  const { account, outputFormat } = record.spec;
  const found = new Map<number, ImageRow>();
  for (const [place, index] of attempt.images.entries()) {
    if (record.images.has(index)) continue;
    const about = { ...id, index, key: imageKey(account, record.id, index, outputFormat) };
    const prompt = row.revisedPrompts?.[place] ?? null;
    const look = await askStorage(deps, about, async () => {
      const image = await findImage(deps, record, index, attempt, signal);
      return image && { ...image, revisedPrompt: await promptOf(deps, image, attempt, prompt) };
    });
    if (look.kind !== 'done') return look.kind;
    if (look.value !== null) found.set(index, look.value);
  }
  return found;
}

const [CALL, ATTEMPT, REQUEST_ID] = ['call', 'attempt', toMetadataName('upstream_request_id')] as const;

/** Which attempt an image in storage is of, as stands beside it. null = it does not say: a version before has stored it. */
export async function sourceOf({ store }: Deps, { key }: ImageRow): Promise<Pick<AnswerId, 'call' | 'seq'> | null> {
  const { metadata = {} } = (await store.head(key)) ?? {};
  const [call, seq] = [Number(metadata[CALL]), Number(metadata[ATTEMPT])];
  return Number.isInteger(call) && seq > 0 ? { call, seq } : null;
}

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
