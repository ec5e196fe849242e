// The machine of the Redis master dies while jobs are under way: the sentinels put a replica in its place, and nobody who
// was told 202 may notice more than a pause.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Stack, startStack } from '@darkroom/dev/stack.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Api, type Job, submission } from '../support/api.ts';
import { say } from '../support/say.ts';
import { type ReplicatedRedis, startReplicatedRedis } from '../support/sentinel.ts';
import { Simulator } from '../support/simulator.ts';
import { until } from '../support/until.ts';

const JOBS = 100;
const MODEL = 'gpt-image-2';

const directory = mkdtempSync(join(tmpdir(), 'darkroom-sentinel-'));
let redis: ReplicatedRedis | null = null;
let stack: Stack;
let api: Api;
let simulator: Simulator;

beforeAll(async () => {
  redis = await startReplicatedRedis(directory, 2);
  if (redis === null) return;
  stack = await startStack({
    directory,
    redisUrl: redis.url,
    workers: 2,
    simulatorArgs: ['--latency-scale', '0', '--rendering', 'fast'],
    env: {
      REDIS_MIN_REPLICAS: '1',
      LOCK_DURATION_MS: '8000',
      SHUTDOWN_TIMEOUT_MS: '2000',
      WORKER_CONCURRENCY: '5',
    },
  });
  api = new Api(stack.apiUrl);
  simulator = new Simulator(stack.simulatorUrl ?? '');
});
afterAll(async () => {
  try {
    if (redis !== null) await stack.stop();
  } finally {
    await redis?.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});

/** As a caller who wants one job does: the same key until it is told 202. */
async function submitUntilAccepted(index: number): Promise<Row> {
  let refused = 0;
  const job = await until(
    `job ${index} is accepted`,
    async () => {
      const body = submission({ model: MODEL, prompt: `cat ${index}` });
      const reply = await api.request('POST', '/v1/jobs', { body, headers: { 'idempotency-key': `cat-${index}` } });
      if (reply.status === 202) return reply.json as Job;
      expect([reply.status, reply.text]).toEqual([503, expect.stringContaining('unavailable')]);
      refused += 1;
      return null;
    },
    25_000,
  );
  return { job, refused };
}

interface Row {
  readonly job: Job;
  readonly refused: number;
}

const submitAll = (from: number, to: number): Promise<Row[]> =>
  Promise.all(Array.from({ length: to - from }, (_, index) => submitUntilAccepted(from + index)));

async function untilBought(images: number): Promise<void> {
  await until(`${images} images are bought`, async () => (await simulator.ledger()).images.length >= images);
}

/** Every job has its image, and none was bought twice unless that is shown. Returns how many were. */
async function expectAllWhole(rows: readonly Row[]): Promise<number> {
  const ended = await Promise.all(rows.map(({ job }) => api.ended(job.id, 30_000)));
  expect(ended.filter((job) => job.status !== 'completed')).toEqual([]);
  for (const { images } of ended) expect((await api.bytes(images[0] ?? { url: '' })).length).toBe(images[0]?.bytes);
  const { requests } = await simulator.ledger();
  const buys = Map.groupBy(
    requests.filter(({ billedImages }) => billedImages > 0),
    ({ prompt }) => prompt,
  );
  const flagged = ended.filter(({ usage }) => usage.possible_extra_cost_usd !== 0).map(({ input }) => input['prompt']);
  const twice = [...buys].filter(([, bought]) => bought.length > 1).map(([prompt]) => prompt);
  expect(twice.filter((prompt) => !flagged.includes(prompt))).toEqual([]);
  return twice.length;
}

describe('a Redis master that goes while jobs are under way', () => {
  test('killed: all jobs end, none is lost, none is bought twice unless nobody can know', async (context) => {
    if (redis === null) return context.skip('this redis-server has no sentinel mode');
    await simulator.fault('latency', { params: { ms: 300 } });
    const early = await submitAll(0, JOBS - 5);
    await untilBought(25);
    const before = await redis.masterPort();
    const killedAt = performance.now();
    await redis.killMaster();
    const late = await submitAll(JOBS - 5, JOBS);
    const tookMs = Math.round(performance.now() - killedAt);
    expect(await redis.masterPort()).not.toBe(before);
    expect(late.reduce((sum, { refused }) => sum + refused, 0)).toBeGreaterThan(0);
    const rows = [...early, ...late];
    expect(new Set(rows.map(({ job }) => job.id)).size).toBe(JOBS);
    const twice = await expectAllWhole(rows);
    say(`master killed: jobs accepted again after ${tookMs} ms, ${twice} of ${JOBS} images bought twice`);
  });

  test('frozen: its clients do not wait for it, and what it says when it is back changes nothing', async (context) => {
    if (redis === null) return context.skip('this redis-server has no sentinel mode');
    await simulator.fault('latency', { params: { ms: 300 } });
    const early = await submitAll(JOBS, JOBS + 30);
    await untilBought(JOBS + 10);
    const before = await redis.masterPort();
    const thaw = await redis.freezeMaster();
    await until('another server is the master', async () => (await redis?.masterPort()) !== before);
    // The one replica left is the master now: until the frozen server is its replica, REDIS_MIN_REPLICAS holds all back.
    const refused = await until('a job is refused by the new master', async () => {
      const body = submission({ model: MODEL, prompt: 'refused' });
      const reply = await api.request('POST', '/v1/jobs', { body });
      return reply.text.includes('Too few replicas') ? reply : null;
    });
    expect([refused.status, refused.text]).toEqual([503, expect.stringContaining('Nothing was done.')]);
    await thaw();
    const late = await submitAll(JOBS + 30, JOBS + 35);
    const twice = await expectAllWhole([...early, ...late]);
    say(`master frozen: ${twice} of 35 images bought twice`);
    expect((await simulator.ledger()).requests.filter(({ prompt }) => prompt === 'refused')).toEqual([]);
  });
});
