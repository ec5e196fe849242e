// TEST ONLY. Jobs of two calls, and what a worker does to them.
import { randomUUID } from 'node:crypto';
import { newJobId } from '../base/ids.ts';
import type { Finish } from './attempt-steps.ts';
import { beginAttempt, type Gate } from './paying-gate.ts';
import type { ImageRow, JobRecord } from './record.ts';
import type { JobSpec } from './spec.ts';
import { createJob, type JobSteps } from './steps.ts';
import { readJob } from './store.ts';
import { TEST_SPEC } from './test-spec.ts';

export const SPEC: JobSpec = {
  ...TEST_SPEC,
  calls: [[0], [1]],
};

const TOKEN = 'worker-1:0';

export function image(index: number, sha256 = 'aa'): ImageRow {
  return {
    index,
    key: `k/${index}`,
    contentType: 'image/png',
    bytes: 9,
    width: 1,
    height: 1,
    sha256,
    revisedPrompt: null,
  };
}

export function success(jobId: string, call: number, seq: number, images: ImageRow[] = [image(call)]): Finish {
  return {
    jobId,
    call,
    seq,
    outcome: 'succeeded',
    facts: { costMicroUsd: 5 },
    count: '',
    isFinal: false,
    error: null,
    images,
    callImages: [call],
  };
}

export function failure(jobId: string, call: number, seq: number, changes: Partial<Finish> = {}): Finish {
  return {
    ...success(jobId, call, seq, []),
    outcome: 'rejected',
    facts: { status: 400 },
    isFinal: true,
    error: { code: 'invalid_value', message: 'no' },
    ...changes,
  };
}

/** `steps`: of the Redis in use, known once it is open. */
export function jobsOf(steps: () => JobSteps) {
  async function newJob(spec: Partial<JobSpec> = {}): Promise<string> {
    const created = await createJob(steps(), newJobId(), { ...SPEC, ...spec }, null);
    return created.id;
  }

  async function job(id: string): Promise<JobRecord> {
    const record = await readJob(steps().redis, steps().keys, id);
    if (record === null) throw new Error(`no job ${id}`);
    return record;
  }

  async function gateOf(jobId: string, call: number, changes: Partial<Gate> = {}): Promise<Gate> {
    const lockKey = `${steps().keys.job(jobId)}:lock:${randomUUID()}`;
    await steps().redis.set(lockKey, TOKEN);
    const spoolRoomHash = steps().keys.spoolRoom('host-1');
    await steps().redis.hset(spoolRoomHash, 'process-1', `1 ${Date.now() + 60_000}`);
    return {
      jobId,
      call,
      lockKey,
      lockToken: TOKEN,
      onUnknown: 'retry',
      upstreamKeyHash: steps().keys.upstreamKey('default'),
      spoolRoomHash,
      processId: 'process-1',
      tag: 7,
      buckets: [{ hash: steps().keys.bucket('default', 'gpt-image-2'), burst: 0, share: {} }],
      epoch: 0,
      isProbe: false,
      row: { run: 1, upstreamKey: 'default', images: [call], upperBoundMicroUsd: 211_000 },
      callImages: [call],
      ...changes,
    };
  }

  async function begin(jobId: string, call: number, changes: Partial<Gate> = {}): Promise<number> {
    const answer = await beginAttempt(steps(), await gateOf(jobId, call, changes));
    if (answer.kind !== 'go') throw new Error(`the gate said ${answer.kind}`);
    return answer.seq;
  }

  return { newJob, job, gateOf, begin };
}
