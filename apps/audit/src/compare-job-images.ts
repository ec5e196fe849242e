// The images a job's record lists against the objects in its folder of the storage. Pure.
import { imageKey, originalKey, provenanceKey, unreadableKey } from '@darkroom/shared/images/keys.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { Finding } from './findings.ts';
import type { JobBooks } from './job-books.ts';

export function compareJobImages(books: Pick<JobBooks, 'record' | 'stored' | 'hashes'>): Finding[] {
  return [...findDamaged(books), ...findUnlisted(books)];
}

function findDamaged({ record, stored, hashes }: Pick<JobBooks, 'record' | 'stored' | 'hashes'>): Finding[] {
  return [...record.images.values()].flatMap(({ index, key, bytes, sha256 }): Finding[] => {
    const subject = record.id;
    const found = stored.get(key);
    if (found === undefined) return [{ kind: 'image_missing', subject, detail: `image ${index}` }];
    if (found !== bytes)
      return [{ kind: 'image_differs', subject, detail: `image ${index} has ${found} bytes, recorded are ${bytes}` }];
    if ((hashes.get(key) ?? sha256) !== sha256)
      return [{ kind: 'image_differs', subject, detail: `image ${index} has another SHA-256` }];
    return [];
  });
}

/** What lies there of an image whose call is still open is looked for, and recorded, by the worker that has the call next. */
function findUnlisted({ record, stored }: Pick<JobBooks, 'record' | 'stored'>): Finding[] {
  const kinds = expectedKinds(record);
  return [...stored.keys()].flatMap((key): Finding[] => {
    const kind = kinds.has(key) ? kinds.get(key) : 'image_unlisted';
    return kind === null || kind === undefined ? [] : [{ kind, subject: record.id, detail: key }];
  });
}

/** What it means that a key is there; null = all is well. */
function expectedKinds(record: JobRecord): ReadonlyMap<string, 'image_unlisted' | 'image_late' | null> {
  const { id, spec, calls, images } = record;
  const pairs = spec.calls.flatMap((indexes, k) =>
    indexes.flatMap((index) => {
      const isExpected = images.has(index) || calls[k]?.outcome === '' || (calls[k]?.open ?? 0) > 0;
      const isLate = calls[k]?.outcome !== 'succeeded' && isPaidFor(record, index);
      const unexpected = isLate ? 'image_late' : 'image_unlisted';
      const kind = isExpected ? null : unexpected;
      const image = imageKey(spec.account, id, index, spec.outputFormat);
      return [
        [image, kind],
        [provenanceKey(image), kind],
        [originalKey(spec.account, id, index, spec.outputFormat), kind],
        // Paid bytes that are no image lie beside whatever became of the call.
        [unreadableKey(spec.account, id, index), null],
      ] as const;
    }),
  );
  return new Map(pairs);
}

/** A paid answer that came when its call had failed already is stored all the same. */
function isPaidFor({ attempts }: JobRecord, index: number): boolean {
  return attempts.some(({ images, costMicroUsd }) => costMicroUsd !== undefined && images.includes(index));
}
