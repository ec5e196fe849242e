// The steps of a call in every order two workers can bring them: what must hold after each of them. The single steps are
// tested in steps.integration.test.ts.
import { randomUUID } from 'node:crypto';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { newBatchId, newJobId } from '../base/ids.ts';
import { keysOf } from '../base/keys.ts';
import { type ClosedLost, closeLost, failCall, finishAttempt, noteAnswer } from './attempt-steps.ts';
import { beginAttempt, type GateAnswer } from './paying-gate.ts';
import type { ImageRow, JobRecord, SpooledAnswerRow } from './record.ts';
import type { JobSpec } from './spec.ts';
import { entryOf, forgetSpooled, keepCopy, listSpooled, noteSpooled, readCopy, sayStillThere } from './spool-steps.ts';
import { createJob, type JobSteps, retryJob, withholdCalls } from './steps.ts';
import { readJob } from './store.ts';
import { TEST_SPEC } from './test-spec.ts';

let server: TestRedis;
let steps: JobSteps;

beforeAll(async () => {
  server = await openTestRedis();
  steps = { redis: server.redis, keys: keysOf(server.prefix), retentionMs: 3_600_000 };
});
afterAll(() => server.close());

const SPEC: JobSpec = {
  ...TEST_SPEC,
  calls: [[0, 1]],
};
const COST = 100;
const CALL = 0;
const TOKENS = ['worker-1', 'worker-2'] as const;

function image(index: number, sha256: string): ImageRow {
  return { index, key: '', contentType: 'image/png', bytes: 9, width: 1, height: 1, sha256, revisedPrompt: null };
}

function waits(changes: Partial<SpooledAnswerRow> = {}): SpooledAnswerRow {
  return { until: Date.now() + 3_600_000, host: 'host-1', images: 2, ...changes };
}

/** One job of a batch, its call's lock, and what has been seen of it. */
class Life {
  readonly id = newJobId();
  readonly batchId = newBatchId();
  readonly lockKey = `{${server.prefix}}:lock:${randomUUID()}`;
  readonly firstImages = new Map<number, string>();
  readonly charged = new Set<number>();
  ends = 0;
  runs = 1;
  #subscriber = server.redis.duplicate();

  async start(): Promise<void> {
    await steps.redis.hset(steps.keys.batch(this.batchId), 'status', 'in_progress', 'ended', 1);
    await this.#subscriber.subscribe(steps.keys.jobChanges);
    this.#subscriber.on('message', (_: string, message: string) => {
      const isEnd = /job\.(completed|incomplete|failed|cancelled|expired) /.test(message);
      if (message.includes(this.id) && isEnd) this.ends += 1;
    });
    await createJob(steps, this.id, { ...SPEC, batchId: this.batchId }, null);
  }

  async stop(): Promise<void> {
    this.#subscriber.disconnect();
  }

  async record(): Promise<JobRecord> {
    const record = await readJob(steps.redis, steps.keys, this.id);
    if (record === null) throw new Error('the job is gone');
    return record;
  }

  async begin(worker: number): Promise<GateAnswer> {
    const { run, images } = await this.record();
    const room = steps.keys.spoolRoom('host-1');
    await steps.redis.hset(room, 'process', `1 ${Date.now() + 60_000}`);
    return beginAttempt(steps, {
      jobId: this.id,
      call: CALL,
      lockKey: this.lockKey,
      lockToken: TOKENS[worker] ?? '',
      onUnknown: 'retry',
      upstreamKeyHash: steps.keys.upstreamKey('default'),
      spoolRoomHash: room,
      processId: 'process',
      tag: 1,
      buckets: [],
      epoch: 0,
      isProbe: false,
      row: {
        permit: randomUUID(),
        run,
        upstreamKey: 'default',
        images: [0, 1].filter((index) => !images.has(index)),
        upperBoundMicroUsd: 500,
      },
      callImages: [0, 1],
    });
  }

  async finish(seq: number, kind: 'whole' | 'part' | 'failed' | 'final' | 'lost'): Promise<void> {
    const brought = { whole: [0, 1], part: [1], failed: [], final: [], lost: [] }[kind];
    const isPaid = kind === 'whole' || kind === 'part' || kind === 'lost';
    await finishAttempt(steps, {
      jobId: this.id,
      call: CALL,
      seq,
      outcome: isPaid ? 'succeeded' : 'failed',
      facts: isPaid ? { costMicroUsd: COST } : { status: 500 },
      count: kind === 'failed' ? 'failed' : kind === 'part' ? 'unknown' : '',
      isFinal: kind === 'final' || kind === 'lost',
      error: kind === 'whole' || kind === 'part' ? null : { code: kind === 'lost' ? 'result_lost' : 'upstream_error' },
      images: brought.map((index) => image(index, `attempt-${seq}`)),
      callImages: [0, 1],
    });
  }

  async closeLost(worker: number, onUnknown: 'retry' | 'fail' = 'retry'): Promise<ClosedLost | null> {
    const { run } = await this.record();
    const lock = { lockKey: this.lockKey, lockToken: TOKENS[worker] ?? '' };
    return closeLost(steps, { jobId: this.id, call: CALL, run, ...lock, onUnknown });
  }

  /** What holds after each step, whatever came before. */
  async check(): Promise<void> {
    const record = await this.record();
    const state = JSON.parse((await steps.redis.hget(steps.keys.job(this.id), 'state')) ?? '{}') as {
      underWay: number;
      left: number;
      images: number;
    };
    const open = record.attempts.filter(({ outcome }) => outcome === null);
    expect(state.underWay, 'attempts under way').toBe(open.length);
    expect(open.length, 'at most one attempt is open').toBeLessThanOrEqual(1);
    expect(record.calls[CALL]?.open, 'the open one is the newest').toBe(open[0]?.seq ?? 0);
    expect(state.left, 'calls left').toBe(record.calls[CALL]?.outcome === '' ? 1 : 0);
    expect(state.images, 'images counted').toBe(record.images.size);
    for (const [index, { sha256 }] of record.images) {
      expect(this.firstImages.get(index) ?? sha256, `image ${index} stays`).toBe(sha256);
      this.firstImages.set(index, sha256);
    }
    const spooled = record.attempts.filter((row) => row.spooled !== undefined);
    const entries = (await listSpooled(steps, 10_000)).filter(({ id }) => id.jobId === this.id);
    expect(new Set(entries.map(({ id }) => id.seq)), 'all that waits is listed').toEqual(
      new Set(spooled.map(({ seq }) => seq)),
    );
    if (record.calls[CALL]?.outcome === '')
      expect(record.calls[CALL]?.spooled ?? 0, 'the call knows what waits').toBe(spooled.length);
    const closed = record.attempts.filter(
      ({ outcome, costMicroUsd }) => outcome !== null && costMicroUsd !== undefined,
    );
    const batchCost = Number(await steps.redis.hget(steps.keys.batch(this.batchId), 'costMicroUsd'));
    expect(batchCost, 'each cost is counted once').toBe(closed.length * COST);
    const isOver = record.status !== 'queued' && record.status !== 'in_progress';
    await expect.poll(() => this.ends, { message: 'ends once a run' }).toBe(isOver ? record.run : record.run - 1);
  }
}

interface Step {
  readonly name: string;
  readonly worker: number;
  /** Which of the attempts made so far, counted from the newest. */
  readonly back: number;
}

async function take(life: Life, { name, worker, back }: Step): Promise<void> {
  const { attempts } = await life.record();
  const seq = attempts.length - back;
  switch (name) {
    case 'lock':
      await steps.redis.set(life.lockKey, TOKENS[worker] ?? '');
      return;
    case 'begin':
      await life.begin(worker);
      return;
    case 'cancel':
      await withholdCalls(steps, life.id, 1, 'cancelled');
      return;
    case 'retry':
      await retryJob(steps, await life.record(), 'batch');
      return;
    case 'fail-call': {
      const { run } = await life.record();
      const lock = { lockKey: life.lockKey, lockToken: TOKENS[worker] ?? '' };
      await failCall(steps, { jobId: life.id, call: CALL, run, ...lock, error: { code: 'input_lost' } });
      return;
    }
    case 'close-lost':
      await life.closeLost(worker);
      return;
    case 'note':
      if (seq > 0) await noteAnswer(steps, life.id, CALL, seq, { costMicroUsd: COST });
      return;
    case 'note-links':
      if (seq > 0) {
        const row = waits({ host: null, links: ['https://a.test/1', null] });
        await noteAnswer(steps, life.id, CALL, seq, { costMicroUsd: COST }, { row, owner: 'x', leaseMs: 1_000 });
      }
      return;
    case 'note-spooled':
      if (seq > 0) await noteSpooled(steps, { jobId: life.id, call: CALL, seq }, { costMicroUsd: COST }, waits());
      return;
    default:
      if (seq > 0) await life.finish(seq, name as 'whole' | 'part' | 'failed' | 'final' | 'lost');
  }
}

describe('an attempt whose worker is gone', () => {
  async function lost(): Promise<Life> {
    const life = new Life();
    lives.push(life);
    await life.start();
    await steps.redis.set(life.lockKey, TOKENS[0]);
    await life.begin(0);
    return life;
  }
  const lives: Life[] = [];
  afterEach(async () => {
    for (const life of lives.splice(0)) {
      await life.check();
      await life.stop();
    }
  });

  test('is closed by the item’s next worker, and its late answer still counts', async () => {
    const life = await lost();
    await steps.redis.set(life.lockKey, TOKENS[1]);
    expect(await life.closeLost(0), 'not the item’s any more').toBeNull();
    expect(await life.closeLost(1)).toEqual({ callOutcome: '', jobEnded: null });
    expect(await life.closeLost(1), 'once').toBeNull();
    await life.finish(1, 'whole');
    expect(await life.record()).toMatchObject({ status: 'completed', attempts: [{ outcome: 'succeeded' }] });
  });

  test('does not keep a cancelled job open', async () => {
    const life = await lost();
    await withholdCalls(steps, life.id, 1, 'cancelled');
    expect(await life.record()).toMatchObject({ status: 'in_progress' });
    expect(await life.closeLost(0)).toEqual({ callOutcome: 'withheld', jobEnded: 'cancelled' });
    expect(await life.record()).toMatchObject({ attempts: [{ outcome: 'unknown', code: 'worker_lost' }] });
  });

  test('fails the call where it must not be repeated, for that reason and not for one met before', async () => {
    const life = await lost();
    await life.finish(1, 'failed');
    await life.begin(0);
    expect(await life.closeLost(0, 'fail')).toEqual({ callOutcome: 'failed', jobEnded: 'failed' });
    expect(await life.record()).toMatchObject({ calls: [{ error: { code: 'outcome_unknown' } }] });
  });
});

const MEDDLING = ['lock', 'begin', 'begin', 'begin', 'cancel', 'retry', 'fail-call', 'close-lost'];
const ANSWERING = ['note', 'note-links', 'note-spooled', 'note-spooled', 'whole', 'part', 'failed', 'final', 'lost'];
const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  name: fc.constantFrom(...MEDDLING, ...ANSWERING),
  worker: fc.nat(1),
  back: fc.nat(2),
});

describe('two workers and a caller, in any order', () => {
  test('never lose count, overwrite an image, count a cost twice, or end a job twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { minLength: 3, maxLength: 24 }), async (plan) => {
        const life = new Life();
        try {
          await life.start();
          await steps.redis.set(life.lockKey, TOKENS[0]);
          for (const step of plan) {
            await take(life, step);
            await life.check();
          }
        } finally {
          await life.stop();
        }
      }),
      { numRuns: 120 },
    );
  });

  test('with a spooled answer nothing sends, fails or withholds its call', async () => {
    const meddling = fc.constantFrom('begin', 'fail-call', 'cancel', 'close-lost', 'retry', 'lock');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ name: meddling, worker: fc.nat(1), back: fc.constant(0) })),
        async (plan) => {
          const life = new Life();
          try {
            await life.start();
            await steps.redis.set(life.lockKey, TOKENS[0]);
            await life.begin(0);
            await noteSpooled(steps, { jobId: life.id, call: CALL, seq: 1 }, { costMicroUsd: COST }, waits());
            for (const step of plan) await take(life, step);
            const record = await life.record();
            expect(record.attempts).toHaveLength(1);
            expect(record).toMatchObject({ status: 'in_progress', calls: [{ outcome: '', open: 1, spooled: 1 }] });
            await life.finish(1, 'whole');
            expect(await life.record()).toMatchObject({ status: 'completed', calls: [{ outcome: 'succeeded' }] });
          } finally {
            await life.stop();
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('an answer that waits', () => {
  async function begun(): Promise<Life> {
    const life = new Life();
    await life.start();
    await steps.redis.set(life.lockKey, TOKENS[0]);
    await life.begin(0);
    await life.stop();
    return life;
  }

  test('is refused by the gate until it is settled, then the rest is bought', async () => {
    const life = await begun();
    await noteSpooled(steps, { jobId: life.id, call: CALL, seq: 1 }, {}, waits({ images: 1 }));
    expect(await life.begin(0)).toEqual({ kind: 'spooled' });
    await life.finish(1, 'part');
    expect(await life.begin(0)).toMatchObject({ kind: 'go', seq: 2, unknown: 1 });
  });

  test('of a frozen worker holds up the next attempt, and completes the call beside one under way', async () => {
    const life = await begun();
    await steps.redis.set(life.lockKey, TOKENS[1]);
    expect(await life.begin(1)).toMatchObject({ kind: 'go', seq: 2 });
    await noteSpooled(steps, { jobId: life.id, call: CALL, seq: 1 }, { costMicroUsd: COST }, waits());
    await life.finish(2, 'final');
    expect(await life.record()).toMatchObject({ status: 'in_progress', calls: [{ outcome: '' }] });
    await life.finish(1, 'whole');
    expect(await life.record()).toMatchObject({ status: 'completed', attempts: [{ outcome: 'succeeded' }, {}] });
  });

  test('of a frozen worker: the next attempt, whose worker is gone, is closed by who has the item; its own is not', async () => {
    const life = await begun();
    await steps.redis.set(life.lockKey, TOKENS[1]);
    await life.begin(1);
    await noteSpooled(steps, { jobId: life.id, call: CALL, seq: 1 }, { costMicroUsd: COST }, waits());
    expect(await life.closeLost(0), 'not the item’s').toBeNull();
    expect(await life.closeLost(1)).toEqual({ callOutcome: '', jobEnded: null });
    await life.check();
    await life.finish(1, 'whole');
    expect(await life.record()).toMatchObject({
      status: 'completed',
      attempts: [{ outcome: 'succeeded' }, { outcome: 'unknown', code: 'worker_lost' }],
    });
    const own = await begun();
    await noteSpooled(steps, { jobId: own.id, call: CALL, seq: 1 }, {}, waits());
    expect(await own.closeLost(0), 'what waits is its own').toBeNull();
  });

  test('that is given up fails its call, though another attempt was closed before', async () => {
    const life = await begun();
    await steps.redis.set(life.lockKey, TOKENS[1]);
    await life.begin(1);
    await life.finish(2, 'failed');
    await noteSpooled(steps, { jobId: life.id, call: CALL, seq: 1 }, { costMicroUsd: COST }, waits());
    expect(await withholdCalls(steps, life.id, 1, 'cancelled')).toMatchObject({ status: 'in_progress' });
    await life.finish(1, 'lost');
    expect(await life.record()).toMatchObject({ status: 'failed', calls: [{ error: { code: 'result_lost' } }] });
  });

  test('is over once its call has an outcome, and once it is settled', async () => {
    const life = await begun();
    const id = { jobId: life.id, call: CALL, seq: 1 };
    await life.finish(1, 'part');
    expect(await noteSpooled(steps, id, {}, waits())).toBe('over');
    expect(await noteSpooled(steps, { ...id, seq: 9 }, {}, waits())).toBe('gone');
    expect(await noteSpooled(steps, { ...id, jobId: newJobId() }, {}, waits())).toBe('gone');
    expect((await life.record()).attempts[0]?.spooled).toBeUndefined();
  });

  test('is said to be still there by the host that has it, and by no other; never for a shorter time', async () => {
    const life = await begun();
    const id = { jobId: life.id, call: CALL, seq: 1 };
    expect(await sayStillThere(steps, id, 'host-1', 5_000), 'not before it waits').toBe(false);
    const row = waits({ host: 'host-1', until: 4_000, links: [null, 'https://x/1'] });
    await noteSpooled(steps, id, {}, row);
    expect(await sayStillThere(steps, id, 'host-2', 9_000)).toBe(false);
    expect(await sayStillThere(steps, id, 'host-1', 5_000)).toBe(true);
    expect(await sayStillThere(steps, id, 'host-1', 4_500)).toBe(true);
    expect((await life.record()).attempts[0]?.spooled).toEqual({ ...row, until: 5_000 });
    expect(await steps.redis.zscore(steps.keys.spooled, entryOf(id))).toBe('5000');
    expect((await life.record()).calls[CALL]).toMatchObject({ spooled: 1 });
    await life.finish(1, 'whole');
    expect(await sayStillThere(steps, id, 'host-1', 9_000), 'settled').toBe(false);
    expect(await steps.redis.zscore(steps.keys.spooled, entryOf(id))).toBeNull();
  });

  test('has a copy while there is room for all copies, and loses it when it is settled', async () => {
    const life = await begun();
    const id = { jobId: life.id, call: CALL, seq: 1 };
    const file = Buffer.from([0, 255, 10, 200]);
    expect(await keepCopy(steps, id, file), 'not before it waits').toBe(false);
    await noteSpooled(steps, id, {}, waits());
    expect(await keepCopy(steps, id, file)).toBe(true);
    expect(await keepCopy(steps, id, file), 'again').toBe(true);
    expect(await readCopy(steps, id)).toEqual(file);
    await steps.redis.hset(steps.keys.spoolCopies, 'others 0 1', 32 * 1_024 ** 2 - 3);
    const other = await begun();
    await noteSpooled(steps, { ...id, jobId: other.id }, {}, waits());
    expect(await keepCopy(steps, { ...id, jobId: other.id }, file), 'no room').toBe(false);
    await life.finish(1, 'whole');
    expect(await readCopy(steps, id)).toBeNull();
    expect(await steps.redis.hkeys(steps.keys.spoolCopies)).toEqual(['others 0 1']);
  });

  test('of a job that is no longer kept can be forgotten', async () => {
    const id = { jobId: newJobId(), call: 0, seq: 1 };
    await steps.redis.zadd(steps.keys.spooled, 1, entryOf(id));
    await forgetSpooled(steps, id);
    expect(await steps.redis.zscore(steps.keys.spooled, entryOf(id))).toBeNull();
  });
});

test.each(['failed', 'part'] as const)('a cancelled job ends when its last attempt comes back %s', async (kind) => {
  const life = new Life();
  await life.start();
  await steps.redis.set(life.lockKey, TOKENS[0]);
  await life.begin(0);
  await withholdCalls(steps, life.id, 1, 'cancelled');
  expect(await life.record()).toMatchObject({ status: 'in_progress' });
  await life.finish(1, kind);
  expect(await life.record()).toMatchObject({ status: 'cancelled', calls: [{ outcome: 'withheld' }] });
  await life.check();
  await life.stop();
});

test('without room in the spool the gate lets nothing through', async () => {
  const life = new Life();
  await life.start();
  await steps.redis.set(life.lockKey, TOKENS[0]);
  const gate = life.begin.bind(life);
  expect(await gate(0)).toMatchObject({ kind: 'go' });
  const room = steps.keys.spoolRoom('host-2');
  const ask = async () =>
    beginAttempt(steps, {
      jobId: life.id,
      call: CALL,
      lockKey: life.lockKey,
      lockToken: TOKENS[0],
      onUnknown: 'retry',
      upstreamKeyHash: steps.keys.upstreamKey('default'),
      spoolRoomHash: room,
      processId: 'process',
      tag: 1,
      buckets: [],
      epoch: 0,
      isProbe: false,
      row: { permit: 'p', run: 1, upstreamKey: 'default', images: [0, 1], upperBoundMicroUsd: 1 },
      callImages: [0, 1],
    });
  expect(await ask(), 'nothing held').toEqual({ kind: 'no-room' });
  await steps.redis.hset(room, 'process', `100 ${Date.now() - 1}`);
  expect(await ask(), 'the lease is over').toEqual({ kind: 'no-room' });
  await steps.redis.hset(room, 'process', `100 ${Date.now() + 60_000}`);
  expect(await ask()).toMatchObject({ kind: 'go', seq: 2 });
  await life.stop();
});

test('the gate tells until when its request may be sent: as long as the lock holds', async () => {
  const life = new Life();
  await life.start();
  await steps.redis.set(life.lockKey, TOKENS[0] ?? '', 'PX', 5_000);
  const before = performance.now();
  const answer = await life.begin(0);
  if (answer.kind !== 'go') throw new Error(`the gate said ${answer.kind}`);
  expect(answer.sendBefore - before).toBeGreaterThan(4_000);
  expect(answer.sendBefore - performance.now()).toBeLessThanOrEqual(5_000);
  await life.stop();
});
