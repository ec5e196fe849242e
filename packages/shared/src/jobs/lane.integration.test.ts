// The order of a lane, as jobs/lua/lane.lua gives it: whoever waits in front is started, by its priority, then by when it came.
import { readFileSync } from 'node:fs';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newJobId } from '../base/ids.ts';
import { type Keys, keysOf } from '../base/keys.ts';
import type { OpenCalls } from '../lanes/queue-room.ts';
import type { Priority } from '../requests/submission.ts';
import { failCall, finishAttempt } from './attempt-steps.ts';
import type { JobSpec } from './spec.ts';
import { createJob, type JobSteps, planPlace, retryJob, tagCalls, withholdCalls } from './steps.ts';
import { readJob } from './store.ts';
import { TEST_SPEC } from './test-spec.ts';

const LANE = 'gpt-image-2';
const library = readFileSync(new URL('lua/lane.lua', import.meta.url), 'utf8');
const NOTE_STARTED = `${library}\nnote_started(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))`;

let server: TestRedis;
let keys: Keys;
let steps: JobSteps;

beforeAll(async () => {
  server = await openTestRedis();
  keys = keysOf(server.prefix);
  steps = { redis: server.redis, keys, retentionMs: 3_600_000 };
});
afterAll(() => server.close());
beforeEach(() => server.redis.del(keys.lane(LANE)));

function specOf(changes: Partial<JobSpec> = {}): JobSpec {
  return {
    ...TEST_SPEC,
    model: LANE,
    lane: LANE,
    body: { model: LANE, prompt: 'a cat' },
    ...changes,
  };
}

/** What a job of the test is: one call of so many images. */
interface Flow {
  readonly account: string;
  readonly priority: Priority;
  readonly isBatch?: boolean;
}

interface Waiting {
  readonly flow: Flow;
  readonly images: number;
  readonly tag: number;
  readonly priority: number;
}

/** A lane without BullMQ: items in the order it would take them. */
class Line {
  #waiting: Waiting[] = [];

  async add(flow: Flow, images: number, calls = 1): Promise<void> {
    const batchId = flow.isBatch === true ? await openBatch() : null;
    const all = Array.from({ length: calls }, (_, call) =>
      Array.from({ length: images }, (__, i) => call * images + i),
    );
    const spec = specOf({ account: flow.account, priority: flow.priority, batchId, calls: all });
    const created = await createJob(steps, newJobId(), spec, null);
    if (created.kind !== 'created') throw new Error(`not created: ${created.kind}`);
    for (const { tag, priority } of created.items) this.#waiting.push({ flow, images, tag, priority });
  }

  /** Starts whoever is in front. */
  async start(): Promise<Waiting> {
    const next = this.#waiting.toSorted((a, b) => a.priority - b.priority)[0];
    if (next === undefined) throw new Error('nobody waits');
    this.#waiting = this.#waiting.filter((item) => item !== next);
    await server.redis.eval(NOTE_STARTED, 1, keys.lane(LANE), next.tag, next.images, Date.now());
    return next;
  }

  has(flow: Flow): number {
    return this.#waiting.filter((item) => item.flow === flow).length;
  }

  /** Starts until it is the flow's turn; how many others went before. */
  async startsBefore(flow: Flow): Promise<number> {
    for (let others = 0; ; others += 1) if ((await this.start()).flow === flow) return others;
  }
}

let batch = 0;
async function openBatch(): Promise<string> {
  batch += 1;
  await server.redis.hset(keys.batch(`batch_${batch}`), 'status', 'in_progress');
  return `batch_${batch}`;
}

const WEIGHT: Readonly<Record<Priority, number>> = { high: 16, normal: 4, low: 1 };
const flowOf = (account: string) =>
  fc.record({
    account: fc.constant(account),
    priority: fc.constantFrom<Priority>('high', 'normal', 'low'),
    isBatch: fc.boolean(),
  });

describe('a lane is shared by weight', () => {
  test('whatever the classes and priorities, and however unequal the loads: in any 200 starts, to a tenth', async () => {
    const flows = fc.tuple(flowOf('shop'), flowOf('studio'));
    const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(flows, sizes, fc.integer({ min: 1, max: 60 }), async (pair, [a = 1, b = 1], backlog) => {
        await server.redis.del(keys.lane(LANE));
        const line = new Line();
        const size = new Map<Flow, number>([
          [pair[0], a],
          [pair[1], b],
        ]);
        // One has a few calls in line at a time, the other a long backlog from the start.
        await line.add(pair[0], a, backlog);
        const started: Waiting[] = [];
        for (let i = 0; i < 260; i += 1) {
          for (const flow of pair) while (line.has(flow) < 2) await line.add(flow, size.get(flow) ?? 1);
          started.push(await line.start());
        }
        const weights = pair.map(({ priority }) => WEIGHT[priority]);
        const fair = (weights[0] ?? 0) / ((weights[0] ?? 0) + (weights[1] ?? 0));
        for (const from of [0, 15, 30, 60]) {
          const window = started.slice(from, from + 200);
          const all = window.reduce((sum, { images }) => sum + images, 0);
          const first = window.filter(({ flow }) => flow === pair[0]).reduce((sum, { images }) => sum + images, 0);
          expect(Math.abs(first / all - fair)).toBeLessThanOrEqual(0.1);
        }
      }),
      { numRuns: 25 },
    );
  });

  const single = (account: string, priority: Priority = 'normal'): Flow => ({ account, priority });
  const batched = (account: string, priority: Priority = 'normal'): Flow => ({ account, priority, isBatch: true });

  test.each<[string, readonly Flow[], Flow]>([
    ['single jobs and a batch', [single('shop'), batched('shop')], single('studio')],
    ['a batch of less weight', [single('shop'), batched('shop', 'low')], single('studio')],
    ['both, against a batch', [single('shop'), batched('shop')], batched('studio')],
    ['both of high priority', [single('shop', 'high'), batched('shop', 'high')], single('studio')],
    ['some of high priority', [single('shop', 'high'), single('shop'), batched('shop')], single('studio', 'high')],
  ])('an account with %s weighs what the heaviest of them does, and they share that', async (_, own, other) => {
    const line = new Line();
    const flows = [...own, other];
    const started = new Map(flows.map((flow) => [flow, 0]));
    for (let i = 0; i < 300; i += 1) {
      for (const flow of flows) while (line.has(flow) < 2) await line.add(flow, 1);
      const { flow } = await line.start();
      started.set(flow, (started.get(flow) ?? 0) + 1);
    }
    const ofOwn = own.reduce((sum, flow) => sum + (started.get(flow) ?? 0), 0);
    const most = Math.max(...own.map(({ priority }) => WEIGHT[priority]));
    expect(ofOwn / 300).toBeCloseTo(most / (most + WEIGHT[other.priority]), 1);
    const all = own.reduce((sum, { priority }) => sum + WEIGHT[priority], 0);
    for (const flow of own)
      expect(Math.abs((started.get(flow) ?? 0) / ofOwn - WEIGHT[flow.priority] / all)).toBeLessThanOrEqual(0.05);
  });

  test('a flow that has ended weighs nothing any more', async () => {
    const line = new Line();
    const [ended, left, other] = [single('shop'), batched('shop'), single('studio')];
    await line.add(ended, 1, 3);
    await line.add(other, 1);
    while (line.has(ended) > 0) await line.start();
    const started: string[] = [];
    for (let i = 0; i < 60; i += 1) {
      for (const flow of [left, other]) while (line.has(flow) < 2) await line.add(flow, 1);
      started.push((await line.start()).flow.account);
    }
    expect(Math.abs(started.filter((account) => account === 'shop').length - 30)).toBeLessThanOrEqual(4);
  });

  test('no flow waits for ever: a low call comes though high ones never cease', async () => {
    const line = new Line();
    const [low, high] = [
      { account: 'patient', priority: 'low' },
      { account: 'hasty', priority: 'high' },
    ] as const;
    await line.add(high, 1, 3);
    await line.add(low, 1);
    let before = 0;
    while (line.has(low) > 0) {
      await line.add(high, 1);
      before += (await line.start()).flow === high ? 1 : 0;
    }
    expect(before).toBeLessThanOrEqual(20);
  });

  test('ten thousand calls of one account delay the first of another by a few starts', async () => {
    const line = new Line();
    const [flood, single] = [
      { account: 'flood', priority: 'normal' },
      { account: 'single', priority: 'normal' },
    ] as const;
    for (let jobs = 0; jobs < 20; jobs += 1) await line.add(flood, 1, 500);
    for (let i = 0; i < 5; i += 1) await line.start();
    await line.add(single, 1);
    expect(await line.startsBefore(single)).toBeLessThanOrEqual(2);
  });

  test.each<[string, Flow, Flow]>([
    ['a high job', { account: 'acme', priority: 'normal' }, { account: 'acme', priority: 'high' }],
    ['a single job', { account: 'acme', priority: 'normal', isBatch: true }, { account: 'acme', priority: 'normal' }],
  ])('%s of a busy account goes ahead of its own backlog', async (_what, backlog, soon) => {
    const line = new Line();
    await line.add(backlog, 1, 300);
    for (let i = 0; i < 10; i += 1) await line.start();
    await line.add(soon, 1);
    expect(await line.startsBefore(soon)).toBeLessThanOrEqual(2);
  });

  test('an account that was idle gets no more for it, and one whose calls were cancelled no less', async () => {
    const line = new Line();
    const [busy, late] = [
      { account: 'busy', priority: 'normal' },
      { account: 'late', priority: 'normal' },
    ] as const;
    const spec = specOf({ account: 'late', calls: Array.from({ length: 500 }, (_, index) => [index]) });
    const given = await createJob(steps, newJobId(), spec, null);
    await withholdCalls(steps, given.id, 500, 'cancelled');
    await line.add(busy, 1, 60);
    for (let i = 0; i < 20; i += 1) await line.start();
    await line.add(late, 1, 30);
    const next = [];
    for (let i = 0; i < 20; i += 1) next.push((await line.start()).flow.account);
    expect(next.filter((account) => account === 'late').length).toBeGreaterThanOrEqual(9);
    expect(next.filter((account) => account === 'late').length).toBeLessThanOrEqual(11);
  });
});

describe('places', () => {
  test('of a job’s calls rise; calls queued once more and those of a retry come behind', async () => {
    const spec = specOf({ calls: [[0, 1], [2], [3]] });
    const created = await createJob(steps, newJobId(), spec, null);
    if (created.kind !== 'created') throw new Error(created.kind);
    const { id, items } = created;
    expect(items.map(({ tag, call, run }) => [tag, call, run])).toEqual([
      [8, 0, 1],
      [12, 1, 1],
      [16, 2, 1],
    ]);
    expect(items.map(({ priority }) => priority)).toEqual([8, 12, 16]);
    const again = await tagCalls(steps, spec, items.slice(1));
    expect(again.map(({ tag, call }) => [tag, call])).toEqual([
      [20, 1],
      [24, 2],
    ]);
    expect(await tagCalls(steps, spec, [{ jobId: newJobId(), call: 0, run: 1 }])).toEqual([]);
    expect(await tagCalls(steps, spec, [])).toEqual([]);
    await succeed(id, spec, 1);
    await withholdCalls(steps, id, 3, 'cancelled');
    const retried = await retryJob(steps, { id, run: 1, spec });
    expect(retried).toMatchObject({
      kind: 'retried',
      run: 2,
      items: [
        { call: 0, run: 2 },
        { call: 2, run: 2 },
      ],
    });
  });

  test('are planned without being taken', async () => {
    const first = { account: 'acme', lane: LANE, priority: 'low', images: 2 } as const;
    expect(await planPlace(steps, first)).toBe(0);
    expect(await server.redis.exists(keys.lane(LANE))).toBe(0);
  });

  test('in a lane far on are counted from its base, and stay within what BullMQ takes', async () => {
    await server.redis.hset(keys.lane(LANE), { v: 5_000_000, base: 4_999_999 });
    const spec = specOf({ calls: [[0], Array.from({ length: 10 }, (_, i) => i + 1)], priority: 'low' });
    const created = await createJob(steps, newJobId(), spec, null);
    expect(created).toMatchObject({
      items: [
        { tag: 5_000_016, priority: 17 },
        { tag: 5_000_176, priority: 177 },
      ],
    });
    await server.redis.hset(keys.lane(LANE), { base: 0 });
    const beyond = await createJob(steps, newJobId(), spec, null);
    expect(beyond).toMatchObject({ items: [{ priority: 2_097_151 }, { priority: 2_097_151 }] });
  });
});

/** Ends a call as if its images had been found in storage. */
async function succeed(jobId: string, spec: JobSpec, call: number): Promise<void> {
  const callImages = spec.calls[call] ?? [];
  const row = { contentType: 'image/png', bytes: 9, width: 1, height: 1, sha256: 'aa', revisedPrompt: null };
  const images = callImages.map((index) => ({ ...row, index, key: `k/${index}` }));
  const found = { outcome: 'succeeded', facts: {}, count: '', isFinal: false, error: null } as const;
  await finishAttempt(steps, { jobId, call, seq: 0, ...found, images, callImages });
}

async function fail(jobId: string, call: number): Promise<void> {
  const lockKey = `{${server.prefix}}:lock`;
  await server.redis.set(lockKey, 'token');
  const run = (await readJob(steps.redis, keys, jobId))?.run ?? 1;
  const error = { code: 'input_lost', message: 'gone' };
  await failCall(steps, { jobId, call, run, lockKey, lockToken: 'token', error });
}

describe('open calls', () => {
  type Act =
    | {
        readonly kind: 'create';
        readonly calls: number;
        readonly account: string;
        readonly isOver: boolean;
        readonly isBatch: boolean;
      }
    | {
        readonly kind: 'image' | 'error' | 'cancelled' | 'expired' | 'retry';
        readonly job: number;
        readonly call: number;
      };

  const act: fc.Arbitrary<Act> = fc.oneof(
    fc.record({
      kind: fc.constant('create' as const),
      calls: fc.integer({ min: 1, max: 4 }),
      account: fc.constantFrom('shop', 'studio'),
      isOver: fc.boolean(),
      isBatch: fc.boolean(),
    }),
    fc.record({
      kind: fc.constantFrom(
        'image' as const,
        'error' as const,
        'cancelled' as const,
        'expired' as const,
        'retry' as const,
      ),
      job: fc.nat(5),
      call: fc.nat(3),
    }),
  );

  test('are counted as they are through every life of jobs, by lane and by account', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 40 }), async (acts) => {
        await server.redis.del(keys.lane(LANE));
        const jobs: { id: string; spec: JobSpec }[] = [];
        for (const one of acts) {
          await perform(one, jobs);
          const truth: Record<string, string> = {};
          for (const { id, spec } of jobs) {
            const open =
              (await readJob(steps.redis, keys, id))?.calls.filter(({ outcome }) => outcome === '').length ?? 0;
            for (const field of ['open', `open:${spec.account}`, ...(spec.batchId === null ? [] : ['batched'])])
              if (open > 0) truth[field] = String(Number(truth[field] ?? 0) + open);
          }
          const books = await server.redis.hgetall(keys.lane(LANE));
          const counted = Object.entries(books).filter(([field]) => /^(open|batched)/.test(field));
          expect(Object.fromEntries(counted)).toEqual(truth);
        }
      }),
      { numRuns: 40 },
    );
  });

  async function perform(one: Act, jobs: { id: string; spec: JobSpec }[]): Promise<void> {
    if (one.kind === 'create') {
      const calls = Array.from({ length: one.calls }, (_, index) => [index]);
      const batchId = one.isBatch ? await openBatch() : null;
      const spec = specOf({ account: one.account, calls, expiresAfterSeconds: one.isOver ? 0 : 60, batchId });
      jobs.push({ id: (await createJob(steps, newJobId(), spec, null)).id, spec });
      return;
    }
    const job = jobs[one.job];
    if (job === undefined) return;
    const { id, spec } = job;
    if (one.kind === 'retry') await retryJob(steps, (await readJob(steps.redis, keys, id)) ?? expect.fail());
    else if (one.kind === 'cancelled' || one.kind === 'expired')
      await withholdCalls(steps, id, spec.calls.length, one.kind);
    else if (one.call >= spec.calls.length) return;
    else await (one.kind === 'image' ? succeed(id, spec, one.call) : fail(id, one.call));
  }

  test('are refused beyond a limit, of the account or of the lane, and nothing is recorded', async () => {
    const limits = { lane: 5, account: 3 };
    const create = (account: string, calls: number) =>
      createJob(
        steps,
        newJobId(),
        specOf({ account, calls: Array.from({ length: calls }, (_, i) => [i]) }),
        null,
        null,
        limits,
      );
    const first = await create('shop', 2);
    const full = await create('shop', 2);
    expect(full).toMatchObject({ kind: 'full', limit: 'account', open: { lane: 2, account: 2 } });
    expect(await readJob(steps.redis, keys, full.id)).toBeNull();
    expect(await create('shop', 1)).toMatchObject({ kind: 'created' });
    expect(await create('studio', 1)).toMatchObject({ kind: 'created' });
    expect(await create('other', 1)).toMatchObject({ kind: 'created' });
    expect(await create('other', 1)).toMatchObject({ kind: 'full', limit: 'lane', open: { lane: 5, account: 1 } });
    await withholdCalls(steps, first.id, 2, 'cancelled');
    await create('shop', 2);
    const ended = { id: first.id, run: 1, spec: specOf({ calls: [[0], [1]] }) };
    expect(await retryJob(steps, ended, 'caller', null, null, limits)).toMatchObject({ kind: 'full' });
    expect(await retryJob(steps, ended)).toMatchObject({ kind: 'retried' });
  });

  test('of batches have no single job refused, except of their own account', async () => {
    const limits = { lane: 2, account: 5 };
    const create = (account: string, isBatch: boolean, calls: number) => openJob(account, isBatch, calls, limits);
    expect(await create('shop', true, 4)).toMatchObject({ kind: 'created' });
    expect(await create('studio', false, 2)).toMatchObject({ kind: 'created' });
    expect(await create('studio', false, 1)).toMatchObject({
      kind: 'full',
      limit: 'lane',
      open: { lane: 2, account: 2 },
    });
    expect(await create('shop', false, 2)).toMatchObject({
      kind: 'full',
      limit: 'account',
      open: { lane: 6, account: 4 },
    });
    expect(await create('shop', true, 40)).toMatchObject({ kind: 'created' });
  });

  /** As the API opens single jobs and the feeder those of a batch, which knows no limit. */
  async function openJob(account: string, isBatch: boolean, calls: number, limits: OpenCalls) {
    const batchId = isBatch ? await openBatch() : null;
    const spec = specOf({ account, batchId, calls: Array.from({ length: calls }, (_, index) => [index]) });
    return createJob(steps, newJobId(), spec, null, null, isBatch ? null : limits);
  }

  test('a job larger than a limit is taken when nothing is open', async () => {
    const spec = specOf({ calls: [[0], [1], [2]] });
    const limits = { lane: 2, account: 1 };
    expect(await createJob(steps, newJobId(), spec, null, null, limits)).toMatchObject({ kind: 'created' });
    expect(await createJob(steps, newJobId(), spec, null, null, limits)).toMatchObject({ kind: 'full' });
  });
});
