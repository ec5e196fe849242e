// For tests: workers of several hosts on one Redis and one storage folder, without lanes and without an upstream; answers come
// by hand. Storage can be taken away and brought back.
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readVariables } from '@darkroom/shared/base/config.ts';
import { newJobId } from '@darkroom/shared/base/ids.ts';
import { beginAttempt } from '@darkroom/shared/jobs/paying-gate.ts';
import type { JobRecord, SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import type { JobSpec } from '@darkroom/shared/jobs/spec.ts';
import { type AnswerId, entryOf } from '@darkroom/shared/jobs/spool-steps.ts';
import { createJob } from '@darkroom/shared/jobs/steps.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { TEST_SPEC } from '@darkroom/shared/jobs/test-spec.ts';
import { openTestRedis } from '@darkroom/testing/redis.ts';
import { workerVariables } from '../config.ts';
import { type Deps, openDeps } from '../deps.ts';
import { type Drainer, startDraining } from '../processors/drain-spool.ts';

/** A PNG of one pixel. */
export const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

const SPEC: JobSpec = {
  ...TEST_SPEC,
  calls: [[0, 1]],
};

export interface SpoolBench {
  /** `images` is the storage; each host's spool has the host's name. */
  readonly folder: string;
  /** A worker of the host whose spool has that name; with another Redis, of another installation there. */
  host(name: string, redis?: { readonly url: string; readonly prefix: string }): Promise<Deps>;
  drain(deps: Deps): Drainer;
  /** A job of one call of two images, sent by that worker: its attempt is open. */
  send(deps: Deps): Promise<AnswerId>;
  /** The call's next attempt. */
  sendAgain(deps: Deps, id: AnswerId): Promise<AnswerId>;
  job(id: AnswerId): Promise<JobRecord>;
  takeStorageAway(): Promise<void>;
  bringStorageBack(): Promise<void>;
  /** As if time had passed for a spooled answer. */
  setUntil(id: AnswerId, ms: number): Promise<void>;
  close(): Promise<void>;
}

export async function openSpoolBench(): Promise<SpoolBench> {
  const server = await openTestRedis();
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-spool-bench-'));
  const images = join(folder, 'images');
  const opened: Deps[] = [];
  const drainers: Drainer[] = [];
  const begin = async (deps: Deps, jobId: string): Promise<AnswerId> => {
    const lockKey = `{${server.prefix}}:lock:${jobId}`;
    await server.redis.set(lockKey, 'token');
    const share = await deps.room.take('lane', 1);
    const gate = await beginAttempt(deps.steps, {
      jobId,
      call: 0,
      lockKey,
      lockToken: 'token',
      onUnknown: 'retry',
      upstreamKeyHash: deps.keys.upstreamKey('default'),
      spoolRoomHash: deps.room.hash,
      processId: deps.room.processId,
      tag: 1,
      buckets: [],
      epoch: 0,
      isProbe: false,
      row: { run: 1, upstreamKey: 'default', images: [0, 1], upperBoundMicroUsd: 1 },
      callImages: [0, 1],
    });
    share?.free();
    if (gate.kind !== 'go') throw new Error(`the gate said ${gate.kind}`);
    return { jobId, call: 0, seq: gate.seq };
  };
  const bench: SpoolBench = {
    folder,
    async host(name, redis = server) {
      const deps = await openDeps(
        readVariables(workerVariables, {
          REDIS_URL: redis.url,
          REDIS_PREFIX: redis.prefix,
          STORAGE_URL: `file:${images}`,
          SPOOL_DIR: join(folder, name),
          OPENAI_API_KEY: 'sk-test',
          ALLOW_PRIVATE_URLS: '127.0.0.1',
          LOG_LEVEL: 'silent',
        }),
      );
      opened.push(deps);
      return deps;
    },
    drain(deps) {
      const drainer = startDraining(deps);
      drainers.push(drainer);
      return drainer;
    },
    async send(deps) {
      const { id } = await createJob(deps.steps, newJobId(), SPEC, null);
      return begin(deps, id);
    },
    sendAgain: (deps, { jobId }) => begin(deps, jobId),
    async job({ jobId }) {
      const deps = opened[0];
      const record = deps === undefined ? null : await readJob(deps.redis, deps.keys, jobId);
      if (record === null) throw new Error(`no job ${jobId}`);
      return record;
    },
    async takeStorageAway() {
      await rename(images, `${images}.away`);
      await writeFile(images, 'not a folder');
    },
    async bringStorageBack() {
      await rm(images);
      await rename(`${images}.away`, images);
    },
    async setUntil(id, ms) {
      const [deps] = opened;
      if (deps === undefined) throw new Error('no host was opened');
      const [key, field] = [deps.keys.job(id.jobId), `attempt:${id.call}.${id.seq}`];
      const row = JSON.parse((await deps.redis.hget(key, field)) ?? '{}') as { spooled: SpooledAnswerRow };
      await deps.redis.hset(key, field, JSON.stringify({ ...row, spooled: { ...row.spooled, until: ms } }));
      await deps.redis.zadd(deps.keys.spooled, ms, entryOf(id));
    },
    async close() {
      await Promise.all(drainers.map((drainer) => drainer.stop()));
      for (const deps of opened) await deps.close();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return bench;
}

export interface LinkHost {
  readonly url: string;
  /** What its links answer from now on. */
  status: number;
  /** With this instead of the image: a page. null = with the image. */
  page: string | null;
  /** Followed so far. */
  readonly asked: number;
  stop(): Promise<void>;
}

/** A host of links that all lead to `PIXEL` unless it is told otherwise. */
export async function startLinkHost(): Promise<LinkHost> {
  let asked = 0;
  const server = createServer((_, reply) => {
    asked += 1;
    const { status, page } = host;
    if (page !== null) return void reply.writeHead(status, { 'content-type': 'text/html' }).end(page);
    reply.writeHead(status, { 'content-type': 'image/png' }).end(status === 200 ? PIXEL : 'no');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const host: LinkHost = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    status: 200,
    page: null,
    get asked() {
      return asked;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return host;
}
