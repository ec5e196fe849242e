// Whose an item is while it is under way: with the runs of one item in several slots, and with Redis away.
import { openRedis } from '@darkroom/shared/base/redis.ts';
import { type CallItem, ITEM_NAME } from '@darkroom/shared/queues/call-queue.ts';
import { startRedisServer, type TestRedisServer } from '@darkroom/testing/redis-server.ts';
import { Queue, type Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { ItemLocks } from './item-locks.ts';
import { lookForLost, openItemWorker, type RunItem } from './item-worker.ts';

const PREFIX = '{locks}';
const LOCK_MS = 1_000;
const POLL = { timeout: 20_000, interval: 20 };

let server: TestRedisServer;
let redis: Redis;
let queue: Queue<CallItem>;
let closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  server = await startRedisServer();
  redis = await openRedis(server.url, 'patient', () => undefined);
});
beforeEach(async () => {
  await redis.flushall();
  queue = new Queue<CallItem>('calls', { connection: redis, prefix: PREFIX });
});
afterEach(async () => {
  for (const close of closing) await close();
  closing = [];
  await queue.close();
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

async function addItems(count: number): Promise<void> {
  const items = Array.from({ length: count }, (_, call) => ({
    name: ITEM_NAME,
    data: { jobId: 'job', call, run: 1 },
    opts: { jobId: idOf(call), priority: 1, removeOnComplete: true },
  }));
  await queue.addBulk(items);
}

function idOf(call: number): string {
  return `item-${call}`;
}

function lockOf(call: number): string {
  return `${queue.toKey(idOf(call))}:lock`;
}

/** A process of its own, as far as Redis can tell. */
async function startProcess(concurrency: number, run: RunItem): Promise<Worker<CallItem>> {
  const [connection, steps] = [
    await openRedis(server.url, 'patient', () => undefined),
    await openRedis(server.url, 'patient', () => undefined),
  ];
  const locks = new ItemLocks({
    redis: steps,
    log: pino({ level: 'silent' }),
    lockMs: LOCK_MS,
    lookForLost: () => lookForLost([worker]),
  });
  const worker = openItemWorker({ queue, prefix: PREFIX, connection, concurrency, lockMs: LOCK_MS, locks }, run);
  worker.on('error', () => undefined); // moves of items that are another's are refused
  closing.push(async () => {
    await worker.close();
    locks.stop();
    for (const client of [connection, steps]) client.disconnect();
  });
  return worker;
}

/** Runs that go on until they are let go, by their item. */
class UnderWay {
  readonly runs: { call: number; token: string; lost: AbortSignal; end: () => void }[] = [];

  #isOver = false;

  constructor() {
    closing.push(async () => {
      this.#isOver = true;
      for (const { end } of this.runs) end();
    });
  }

  async stay(call: number, token: string, lost: AbortSignal): Promise<void> {
    if (!this.#isOver) await new Promise<void>((end) => this.runs.push({ call, token, lost, end }));
  }
}

/** Resolves when the lock of every item has been renewed `times` times; fails when one was missing meanwhile. */
async function untilRenewed(calls: readonly number[], times: number): Promise<void> {
  const last = new Map<number, number>();
  const renewals = new Map<number, number>();
  const look = async (): Promise<number> => {
    for (const call of calls) {
      const ms = await redis.pttl(lockOf(call));
      if (ms < 0) throw new Error(`item ${call} is under way and has no lock`);
      if (ms > (last.get(call) ?? LOCK_MS)) renewals.set(call, (renewals.get(call) ?? 0) + 1);
      last.set(call, ms);
    }
    return Math.min(...calls.map((call) => renewals.get(call) ?? 0));
  };
  while ((await look()) < times);
}

/** The item becomes another's, whose worker dies at once: it is in line again. */
async function takeAway(worker: Worker, call: number, lost: AbortSignal): Promise<void> {
  await redis.set(lockOf(call), 'another');
  await expect.poll(() => lost.aborted, POLL).toBe(true);
  await redis.del(lockOf(call), queue.toKey('stalled-check'));
  await redis.sadd(queue.toKey('stalled'), idOf(call));
  await worker.getBackend().moveStalledJobsToWait();
}

test.each(['delay', 'hand-back'] as const)(
  'every item under way keeps its lock, though it was given back (%s) a moment before and taken up by another slot',
  async (kind) => {
    const underWay = new UnderWay();
    const runs = new Map<number, number>();
    await addItems(30);
    const worker = await startProcess(30, async ({ data: { call } }, { token, lost }) => {
      const run = (runs.get(call) ?? 0) + 1;
      runs.set(call, run);
      if (run <= 20) {
        // So that the steps of some fall between those of others.
        const client = await worker.getBackend().client;
        for (let turns = Math.random() * 4; turns > 0; turns -= 1) await client.hgetall('nothing');
        return { kind, ms: 0 };
      }
      await underWay.stay(call, token, lost);
      return { kind: 'done' };
    });
    await expect.poll(() => underWay.runs.length, POLL).toBe(30);
    await untilRenewed([...runs.keys()], 8);
    expect([...runs.values()]).toEqual(Array(30).fill(21));
  },
);

test('a run that has lost its item does not end the renewal of the next one by its own end', async () => {
  const underWay = new UnderWay();
  await addItems(1);
  const worker = await startProcess(2, async ({ data: { call } }, { token, lost }) => {
    await underWay.stay(call, token, lost);
    return { kind: 'delay', ms: 0 };
  });
  await expect.poll(() => underWay.runs.length, POLL).toBe(1);
  const [first] = underWay.runs;
  if (first === undefined) throw new Error('there is no run');
  await takeAway(worker, 0, first.lost);
  await expect.poll(() => underWay.runs.length, POLL).toBe(2);
  first.end();
  await untilRenewed([0], 8);
  expect(underWay.runs).toHaveLength(2);
  expect(underWay.runs[1]?.lost.aborted).toBe(false);
});

test('a lock that has run out is taken again while nobody has taken up its item', async () => {
  const underWay = new UnderWay();
  await addItems(1);
  await startProcess(1, async ({ data: { call } }, { token, lost }) => {
    await underWay.stay(call, token, lost);
    return { kind: 'done' };
  });
  await expect.poll(() => underWay.runs.length, POLL).toBe(1);
  const [run] = underWay.runs;
  await redis.del(lockOf(0));
  await expect.poll(() => redis.get(lockOf(0)), POLL).toBe(run?.token);
  await untilRenewed([0], 2);
  expect(run?.lost.aborted).toBe(false);
});

test('it is not when the item has been taken up meanwhile, nor when it is in line', async () => {
  const underWay = new UnderWay();
  await addItems(2);
  await startProcess(2, async ({ data: { call } }, { token, lost }) => {
    await underWay.stay(call, token, lost);
    return { kind: 'done' };
  });
  await expect.poll(() => underWay.runs.length, POLL).toBe(2);
  await redis
    .multi()
    .del(lockOf(0), lockOf(1))
    .hincrby(queue.toKey(idOf(0)), 'ats', 1) // taken up by a worker that has died since
    .lrem(queue.toKey('active'), 1, idOf(1))
    .exec();
  await expect.poll(() => underWay.runs.every(({ lost }) => lost.aborted), POLL).toBe(true);
  expect(await redis.exists(lockOf(0), lockOf(1))).toBe(0);
});

test('an item whose worker is gone is taken up by another', async () => {
  const underWay = new UnderWay();
  await addItems(1);
  const run: RunItem = async ({ data: { call } }, { token, lost }) => {
    await underWay.stay(call, token, lost);
    return { kind: 'done' };
  };
  const gone = await startProcess(1, run);
  await expect.poll(() => underWay.runs.length, POLL).toBe(1);
  await gone.pause(true);
  await redis.set(lockOf(0), 'gone', 'PX', LOCK_MS); // nobody renews it
  await startProcess(1, run);
  await expect.poll(() => underWay.runs.length, POLL).toBe(2);
});

test('after Redis was away for longer than a lock, what is under way stays with the process that has it', async () => {
  const underWay = new UnderWay();
  await addItems(3);
  const run: RunItem = async ({ data: { call } }, { token, lost }) => {
    await underWay.stay(call, token, lost);
    return { kind: 'done' };
  };
  await startProcess(3, run);
  await expect.poll(() => underWay.runs.length, POLL).toBe(3);
  await startProcess(3, run);
  const calls = [0, 1, 2];
  await untilRenewed(calls, 1);
  const frozenAt = performance.now();
  server.signal('SIGSTOP');
  await expect.poll(() => performance.now() - frozenAt, POLL).toBeGreaterThan(2 * LOCK_MS);
  server.signal('SIGCONT');
  await expect.poll(() => redis.exists(...calls.map(lockOf)), POLL).toBe(3);
  await untilRenewed(calls, 12); // three locks: by then lost items are looked for again
  expect(underWay.runs).toHaveLength(3);
  expect(underWay.runs.some(({ lost }) => lost.aborted)).toBe(false);
});
