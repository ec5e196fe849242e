// For tests: one worker in this process, with a Redis, a storage folder and an upstream of its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { readVariables } from '@darkroom/shared/base/config.ts';
import { newBatchId } from '@darkroom/shared/base/ids.ts';
import { openRedis } from '@darkroom/shared/base/redis.ts';
import type { BatchRecord, BatchSpec } from '@darkroom/shared/batches/record.ts';
import { createBatch } from '@darkroom/shared/batches/steps.ts';
import { readBatch } from '@darkroom/shared/batches/store.ts';
import { fileKey } from '@darkroom/shared/images/keys.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { type InputRef, toInputRef } from '@darkroom/shared/requests/inputs.ts';
import { openTestRedis } from '@darkroom/testing/redis.ts';
import { vi } from 'vitest';
import { workerVariables } from '../config.ts';
import { type Deps, openDeps } from '../deps.ts';
import { startBatches } from '../processors/batches/run-batches.ts';
import { startDraining } from '../processors/drain-spool.ts';
import { startSweep } from '../processors/sweep.ts';
import { startLaneWorkers } from '../worker.ts';
import { type SimulatorProcess, startSimulator } from './simulator-process.ts';

export const ACCOUNT = 'acme';
const WAIT = { timeout: 30_000, interval: 20 };

export interface WorkerBench {
  readonly deps: Deps;
  readonly upstream: SimulatorProcess;
  /** The folder of the storage. */
  readonly folder: string;
  /** Stores an input image, as a submission does. */
  keep(bytes: Buffer): Promise<InputRef>;
  /** Records a batch of these request bodies, by endpoint; `custom_id` is the line's number. */
  submitBatch(lines: readonly (readonly [url: string, body: object])[], changes?: Partial<BatchSpec>): Promise<string>;
  batch(id: string): Promise<BatchRecord>;
  untilBatch(id: string, status: BatchRecord['status']): Promise<BatchRecord>;
  /** The lines of an output file. */
  readFile(id: string | null): Promise<{ custom_id: string; response: { status_code: number; body: never } | null }[]>;
  untilJob(id: string, isSo: (job: JobRecord) => boolean): Promise<JobRecord>;
  close(): Promise<void>;
}

export async function openWorkerBench(env: Readonly<Record<string, string>> = {}): Promise<WorkerBench> {
  const server = await openTestRedis();
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-worker-'));
  const upstream = await startSimulator();
  const deps = await openDeps(
    readVariables(workerVariables, {
      REDIS_URL: server.url,
      REDIS_PREFIX: server.prefix,
      STORAGE_URL: `file:${folder}`,
      SPOOL_DIR: join(folder, '.spool'),
      OPENAI_API_KEY: 'sk-test',
      OPENAI_BASE_URL: `${upstream.url}/v1`,
      PUBLIC_URL: 'https://darkroom.test',
      ALLOW_PRIVATE_URLS: '127.0.0.1',
      LOG_LEVEL: 'silent',
      ...env,
    }),
  );
  const connection = await openRedis(server.url, 'patient', () => undefined);
  const parts = [startDraining(deps), startLaneWorkers(deps, connection), startBatches(deps), startSweep(deps)];
  const bench: WorkerBench = {
    deps,
    upstream,
    folder,
    async keep(bytes) {
      const held = await deps.desk.receive('image', Readable.from([bytes]), bytes.length);
      try {
        await deps.desk.keep(ACCOUNT, [held], Number.POSITIVE_INFINITY);
      } finally {
        await deps.desk.release([held]);
      }
      return toInputRef(held.facts);
    },
    async submitBatch(lines, changes = {}) {
      const id = newBatchId();
      const text = lines.map(([url, body], index) => JSON.stringify({ custom_id: String(index + 1), url, body }));
      const inputKey = fileKey(ACCOUNT, id.replace('batch_', 'file-'));
      await deps.store.put(inputKey, Buffer.from(text.join('\n')), { contentType: 'application/jsonl' });
      const spec: BatchSpec = {
        account: ACCOUNT,
        endpoint: null,
        inputFileId: null,
        inputKey,
        completionWindow: '24h',
        windowMs: 86_400_000,
        onInvalid: 'skip',
        priority: 'normal',
        metadata: {},
        webhook: null,
        ...changes,
      };
      await createBatch(deps.batchSteps, id, spec, null);
      return id;
    },
    async batch(id) {
      const record = await readBatch(deps.redis, deps.keys, id);
      if (record === null) throw new Error(`no batch ${id}`);
      return record;
    },
    untilBatch: (id, status) =>
      vi.waitFor(async () => {
        const record = await bench.batch(id);
        if (record.status !== status) throw new Error(`batch is ${record.status}, not ${status}`);
        return record;
      }, WAIT),
    async readFile(id) {
      if (id === null) return [];
      const bytes = await deps.store.read(fileKey(ACCOUNT, id));
      const lines = Buffer.from(bytes ?? [])
        .toString()
        .trim()
        .split('\n');
      return lines.map((line) => JSON.parse(line));
    },
    untilJob: (id, isSo) =>
      vi.waitFor(async () => {
        const record = await readJob(deps.redis, deps.keys, id);
        if (record === null || !isSo(record)) throw new Error(`job is ${record?.status ?? 'gone'}`);
        return record;
      }, WAIT),
    async close() {
      await Promise.all(parts.map((part) => part.stop()));
      connection.disconnect();
      await deps.close();
      await upstream.close();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return bench;
}
