// For tests: ends calls the way a worker does, without an upstream.
import { createHash } from 'node:crypto';
import { imageKey } from '@darkroom/shared/images/keys.ts';
import type { ImageRow } from '@darkroom/shared/jobs/record.ts';
import { finishAttempt } from '@darkroom/shared/jobs/steps.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import type { Deps } from '../deps.ts';

/** Stores these bytes as every image of the job, as found in storage: the job is completed. */
export async function completeJob(
  deps: Deps,
  jobId: string,
  bytes: Uint8Array = Buffer.from('not really a PNG'),
  contentType = 'image/png',
): Promise<void> {
  const record = await readJob(deps.redis, deps.keys, jobId);
  if (record === null) throw new Error(`no job ${jobId}`);
  for (const [call, indexes] of record.spec.calls.entries()) {
    const images: ImageRow[] = [];
    for (const index of indexes) {
      const key = imageKey(record.spec.account, jobId, index, 'png');
      await deps.store.put(key, bytes, { contentType });
      images.push({
        index,
        key,
        contentType,
        bytes: bytes.length,
        width: 1_024,
        height: 1_024,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        revisedPrompt: null,
      });
    }
    await finish(deps, jobId, call, indexes, images);
  }
}

/** Fails every call of the job for good. */
export async function failJob(deps: Deps, jobId: string): Promise<void> {
  const record = await readJob(deps.redis, deps.keys, jobId);
  for (const [call, indexes] of (record?.spec.calls ?? []).entries()) await finish(deps, jobId, call, indexes, []);
}

async function finish(
  deps: Deps,
  jobId: string,
  call: number,
  callImages: readonly number[],
  images: readonly ImageRow[],
) {
  const isFinal = images.length === 0;
  await finishAttempt(deps.submit.steps, {
    jobId,
    call,
    seq: 0,
    outcome: isFinal ? 'rejected' : 'succeeded',
    facts: {},
    count: '',
    isFinal,
    error: isFinal ? { code: 'moderation_blocked', type: 'image_generation_user_error', message: 'Blocked.' } : null,
    images,
    callImages,
  });
}
