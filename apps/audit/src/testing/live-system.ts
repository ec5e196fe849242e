// For tests: jobs recorded, paid and stored as API and worker do it, on a real Redis and a store; no processes.
import { createHash } from 'node:crypto';
import { newJobId } from '@darkroom/shared/base/ids.ts';
import { type Keys, keysOf } from '@darkroom/shared/base/keys.ts';
import { imageKey, provenanceKey } from '@darkroom/shared/images/keys.ts';
import type { ImageStore } from '@darkroom/shared/images/store.ts';
import { type AttemptFacts, finishAttempt, noteAnswer } from '@darkroom/shared/jobs/attempt-steps.ts';
import { beginAttempt } from '@darkroom/shared/jobs/paying-gate.ts';
import type { ImageRow, StoredError } from '@darkroom/shared/jobs/record.ts';
import type { JobSpec } from '@darkroom/shared/jobs/spec.ts';
import { createJob, type JobSteps } from '@darkroom/shared/jobs/steps.ts';
import { TEST_SPEC } from '@darkroom/shared/jobs/test-spec.ts';
import { type CallQueues, itemLockKey, openCallQueues } from '@darkroom/shared/queues/call-queue.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';

const ACCOUNT = 'acme';
export const COST_MICRO_USD = 40_000;
const PAID: AttemptFacts = { status: 200, costMicroUsd: COST_MICRO_USD, inputTokens: 10, outputTokens: 100 };

const SPEC: JobSpec = {
  ...TEST_SPEC,
  account: ACCOUNT,
  input: { model: 'gpt-image-2', prompt: 'a cat' },
};

export interface LiveSystem {
  readonly server: TestRedis;
  readonly keys: Keys;
  readonly steps: JobSteps;
  readonly store: ImageStore;
  readonly queues: CallQueues;
  /** Records a job and queues its calls. */
  submit(changes?: Partial<JobSpec>, id?: string): Promise<string>;
  /** Sends a call: the number of its attempt. */
  send(jobId: string, call?: number, run?: number): Promise<number>;
  /** The attempt is answered and paid. */
  answer(jobId: string, seq: number, call?: number, facts?: AttemptFacts): Promise<void>;
  /** Puts an image into storage; its row. */
  put(jobId: string, index?: number): Promise<ImageRow>;
  /** Records what an attempt brought, or that the call has failed. */
  finish(jobId: string, seq: number, brought: readonly ImageRow[] | StoredError, call?: number): Promise<void>;
  /** A job of one image from its making to its end. */
  run(changes?: Partial<JobSpec>, id?: string): Promise<string>;
  /** Changes the JSON in a field of a job's hash. */
  damage(jobId: string, field: string, change: (value: Record<string, unknown>) => void): Promise<void>;
  close(): Promise<void>;
}

export async function openLiveSystem(openStore: () => Promise<ImageStore>): Promise<LiveSystem> {
  const server = await openTestRedis();
  const store = await openStore();
  const keys = keysOf(server.prefix);
  const { redis } = server;
  const steps: JobSteps = { redis, keys, retentionMs: 3_600_000 };
  const queues = openCallQueues(redis, keys);
  await redis.hset(keys.spoolRoom('host'), 'test', `1000000 ${Date.now() + 3_600_000}`);
  const callImages = (call: number): number[] => [call];
  const system: LiveSystem = {
    server,
    keys,
    steps,
    store,
    queues,
    async submit(changes = {}, id = newJobId()) {
      const spec = { ...SPEC, ...changes };
      const made = await createJob(steps, id, spec, null);
      if (made.kind !== 'created') throw new Error(`the job was not made: ${made.kind}`);
      await queues.add(spec.lane, made.items);
      return id;
    },
    async send(jobId, call = 0, run = 1) {
      const lockKey = itemLockKey(keys, SPEC.lane, `${jobId}-${call}`);
      await redis.set(lockKey, 'token', 'PX', 60_000);
      const gate = await beginAttempt(steps, {
        jobId,
        call,
        lockKey,
        lockToken: 'token',
        onUnknown: 'retry',
        upstreamKeyHash: keys.upstreamKey('default'),
        spoolRoomHash: keys.spoolRoom('host'),
        processId: 'test',
        tag: 1,
        buckets: [],
        epoch: 0,
        isProbe: false,
        row: { run, upstreamKey: 'default', images: callImages(call), upperBoundMicroUsd: 2 * COST_MICRO_USD },
        callImages: callImages(call),
      });
      if (gate.kind !== 'go') throw new Error(`the gate said ${gate.kind}`);
      return gate.seq;
    },
    async answer(jobId, seq, call = 0, facts = PAID) {
      await noteAnswer(steps, jobId, call, seq, facts);
    },
    async put(jobId, index = 0) {
      const key = imageKey(ACCOUNT, jobId, index, 'png');
      const bytes = Buffer.from(`the image ${index} of ${jobId}`);
      await store.put(key, bytes, { contentType: 'image/png' });
      await store.put(provenanceKey(key), Buffer.from('{}'), { contentType: 'application/json' });
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const facts = { contentType: 'image/png', bytes: bytes.length, width: 8, height: 8, sha256 };
      return { index, key, revisedPrompt: null, ...facts };
    },
    async finish(jobId, seq, brought, call = 0) {
      const failure = 'code' in brought ? brought : null;
      await finishAttempt(steps, {
        jobId,
        call,
        seq,
        outcome: failure === null ? 'succeeded' : 'rejected',
        facts: failure === null ? PAID : { status: failure.status ?? 400 },
        count: '',
        isFinal: failure !== null,
        error: failure,
        images: 'code' in brought ? [] : brought,
        callImages: callImages(call),
      });
    },
    async run(changes = {}, id) {
      const jobId = await system.submit(changes, id);
      const seq = await system.send(jobId);
      await system.answer(jobId, seq);
      await system.finish(jobId, seq, [await system.put(jobId)]);
      await queues.remove(SPEC.lane, [{ jobId, call: 0, run: 1 }]);
      return jobId;
    },
    async damage(jobId, field, change) {
      const value = JSON.parse((await redis.hget(keys.job(jobId), field)) ?? '{}') as Record<string, unknown>;
      change(value);
      await redis.hset(keys.job(jobId), field, JSON.stringify(value));
    },
    async close() {
      await queues.close();
      await store.close();
      await server.close();
    },
  };
  return system;
}
