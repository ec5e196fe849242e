// For tests: ends calls the way a worker does, without an upstream.
import { createHash } from 'node:crypto';
import { imageKey } from '@darkroom/shared/images/keys.ts';
import { finishAttempt } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { ImageRow, JobRecord } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { expect, vi } from 'vitest';
import type { Deps } from '../deps.ts';

const BLOCKED = { code: 'moderation_blocked', type: 'image_generation_user_error', message: 'Blocked.', status: 400 };

/** Stores these bytes as every image of the job, as found in storage: the job is completed. */
export async function completeJob(
  deps: Deps,
  jobId: string,
  bytes: Uint8Array = Buffer.from('not really a PNG'),
  contentType = 'image/png',
): Promise<void> {
  const record = await readJob(deps.redis, deps.keys, jobId);
  if (record === null) throw new Error(`no job ${jobId}`);
  await completeCalls(deps, record, [...record.spec.calls.keys()], bytes, contentType);
}

/** The same for some of its calls. */
export async function completeCalls(
  deps: Deps,
  { id: jobId, spec }: JobRecord,
  calls: readonly number[],
  bytes: Uint8Array = Buffer.from('not really a PNG'),
  contentType = 'image/png',
): Promise<void> {
  for (const call of calls) {
    const indexes = spec.calls[call] ?? [];
    const images: ImageRow[] = [];
    for (const index of indexes) {
      const key = imageKey(spec.account, jobId, index, spec.outputFormat);
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

/** The account's newest job, as soon as it has `count` of them. */
export async function newestJob({ redis, keys }: Pick<Deps, 'redis' | 'keys'>, count: number): Promise<string> {
  await vi.waitFor(async () => expect(await redis.zcard(keys.accountJobs('shop'))).toBe(count), { timeout: 10_000 });
  const [id] = await redis.zrange(keys.accountJobs('shop'), '-1', '-1');
  return id ?? expect.fail();
}

/** Fails every call of the job for good. */
export async function failJob(deps: Deps, jobId: string): Promise<void> {
  const record = await readJob(deps.redis, deps.keys, jobId);
  for (const [call, indexes] of (record?.spec.calls ?? []).entries()) await finish(deps, jobId, call, indexes, []);
}

/** Fails one call of the job for good. */
export async function failCall(deps: Deps, { id, spec }: JobRecord, call: number): Promise<void> {
  await finish(deps, id, call, spec.calls[call] ?? [], []);
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
    error: isFinal ? BLOCKED : null,
    images,
    callImages,
  });
}
