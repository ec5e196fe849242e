// An image of an answer that waits, put into storage as far as that takes it.
import { imageKey } from '@darkroom/shared/images/keys.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { AnswerId } from '@darkroom/shared/jobs/spool-steps.ts';
import type { Deps } from '../deps.ts';
import { askStorage } from './ask-storage.ts';
import { type ImageBytes, type Kept, type Source, tryToStore } from './keep-image.ts';

/** Not now: the storage is there, and does not take it. */
export interface Refused {
  readonly kind: 'refused';
  readonly image: ImageBytes;
}

export async function storeSpooled(
  deps: Deps,
  id: AnswerId,
  record: JobRecord,
  facts: Omit<Source, keyof AnswerId>,
  image: ImageBytes,
): Promise<Kept | Refused> {
  const { account, outputFormat } = record.spec;
  const key = imageKey(account, record.id, image.index, outputFormat);
  const about = { ...id, index: image.index, key };
  const end = await askStorage(deps, about, () => tryToStore(deps, record, { ...facts, ...id }, image));
  if (end.kind === 'done') return end.value;
  return end.kind === 'away' ? { kind: 'unstored', image, reason: end.reason } : { kind: 'refused', image };
}
