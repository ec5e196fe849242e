import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeAnswer, type SpooledAnswer } from '@darkroom/shared/images/spool-file.ts';
import { finishAttempt, noteAnswer } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import { type AnswerId, keepCopy, listSpooled, noteSpooled, readCopy } from '@darkroom/shared/jobs/spool-steps.ts';
import { retryJob, withholdCalls } from '@darkroom/shared/jobs/steps.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Deps } from '../deps.ts';
import { type LinkHost, openSpoolBench, PIXEL, type SpoolBench, startLinkHost } from '../testing/spool-bench.ts';
import { drainLocal } from './drain-spool.ts';
import { type HeldLock, runCall } from './run-call.ts';
import { HOST_PATIENCE_MS } from './spool-answer.ts';

const WAIT = { timeout: 20_000, interval: 20 };
const FACTS = { costMicroUsd: 7, requestId: 'req_1' };
let bench: SpoolBench;
let one: Deps;

beforeEach(async () => {
  bench = await openSpoolBench();
  one = await bench.host('host-1');
});
afterEach(() => bench.close());

function heldBy(token: string): HeldLock {
  return { token, heldUntil: () => Number.POSITIVE_INFINITY };
}

function fileOf(id: AnswerId, changes: Partial<SpooledAnswer> = {}): SpooledAnswer {
  const images = [0, 1].map((index) => ({ index, revisedPrompt: 'a cat, improved', bytes: PIXEL }));
  return { ...id, answeredAt: Date.now(), about: { facts: FACTS, waits: { images: 2 } }, images, ...changes };
}

/** As a worker leaves it that could not store an answer. */
async function spool(deps: Deps, changes: Partial<SpooledAnswer> = {}, row: Partial<SpooledAnswerRow> = {}) {
  const id = await bench.send(deps);
  await deps.spool.write(fileOf(id, changes));
  const until = Date.now() + HOST_PATIENCE_MS;
  await noteSpooled(deps.steps, id, FACTS, { until, host: deps.spool.hostId, images: 2, ...row });
  return id;
}

async function until(id: AnswerId, status: string) {
  return vi.waitFor(async () => {
    const record = await bench.job(id);
    expect(record.status).toBe(status);
    return record;
  }, WAIT);
}

async function expectNothingWaits(): Promise<void> {
  await vi.waitFor(
    async () => expect([await one.spool.list(), await listSpooled(one.steps, 10)]).toEqual([[], []]),
    WAIT,
  );
}

describe('a spooled answer', () => {
  test('is stored, recorded with what its reply said, and let go', async () => {
    const id = await spool(one);
    bench.drain(one);
    const record = await until(id, 'completed');
    expect(record.images.get(1)).toMatchObject({ width: 1, revisedPrompt: 'a cat, improved' });
    expect(record.attempts).toMatchObject([{ outcome: 'succeeded', costMicroUsd: 7, requestId: 'req_1' }]);
    expect(record.attempts[0]).not.toHaveProperty('spooled');
    await expectNothingWaits();
  });

  test('that Redis knows nothing of (killed before the note) is noted, stored and paid once', async () => {
    const id = await bench.send(one);
    await one.spool.write(fileOf(id));
    bench.drain(one);
    expect((await until(id, 'completed')).attempts).toMatchObject([{ outcome: 'succeeded', costMicroUsd: 7 }]);
    await expectNothingWaits();
  });

  test('found by the call’s item first is not bought again, also while storage is away', async () => {
    const id = await bench.send(one);
    await one.spool.write(fileOf(id));
    await bench.takeStorageAway();
    const item = { jobId: id.jobId, call: 0, run: 1 };
    const take = () => runCall(one, item, heldBy('token'), new AbortController().signal);
    expect(await take()).toEqual({ kind: 'storage-away' });
    expect((await bench.job(id)).attempts[0]?.spooled).toMatchObject({ host: one.spool.hostId });
    expect(await take()).toEqual({ kind: 'done' });
    await bench.bringStorageBack();
    bench.drain(one);
    expect((await until(id, 'completed')).attempts).toHaveLength(1);
  });

  test('waits while storage is away; the oldest is tried, and calls go on when all are stored', async () => {
    await bench.takeStorageAway();
    const ids = [await spool(one), await spool(one)] as const;
    one.breaker.trip('away');
    bench.drain(one);
    await vi.waitFor(async () => {
      const failures = await one.metrics.storageErrors.get();
      expect(failures.values[0]?.value).toBeGreaterThan(2);
    }, WAIT);
    expect(one.breaker.isOpen).toBe(true);
    expect(await bench.job(ids[1])).toMatchObject({ status: 'in_progress', images: new Map() });
    await bench.bringStorageBack();
    await one.breaker.untilClosed(AbortSignal.timeout(WAIT.timeout));
    expect((await one.spool.list()).length).toBe(0);
    for (const id of ids) await until(id, 'completed');
  });

  test('of a host that is gone is stored from its copy; its file goes when the host is back', async () => {
    const id = await spool(one);
    expect(await keepCopy(one.steps, id, Buffer.concat(encodeAnswer(fileOf(id))))).toBe(true);
    const two = await bench.host('host-2');
    bench.drain(two);
    expect((await until(id, 'completed')).images.size).toBe(2);
    expect(await readCopy(one.steps, id)).toBeNull();
    const after = await bench.job(id);
    bench.drain(one);
    await expectNothingWaits();
    expect(await bench.job(id)).toEqual(after);
  });

  test('drained by two hosts at the same time is recorded once', async () => {
    const id = await spool(one);
    await keepCopy(one.steps, id, Buffer.concat(encodeAnswer(fileOf(id))));
    const two = await bench.host('host-2');
    await Promise.all([drainLocal(one, id), drainLocal(one, id), bench.drain(two).firstLook]);
    const record = await until(id, 'completed');
    expect([record.images.size, record.attempts.length, record.attempts[0]?.outcome]).toEqual([2, 1, 'succeeded']);
  });

  test('short of images leaves the rest to be made: the sweep is told', async () => {
    const images = [{ index: 0, revisedPrompt: null, bytes: PIXEL }];
    const about = { facts: FACTS, waits: { images: 1 } };
    const id = await spool(one, { images, about }, { images: 1 });
    await one.redis.zadd(one.keys.openJobs, Date.now() + 60_000, id.jobId);
    bench.drain(one);
    await expectNothingWaits();
    const record = await bench.job(id);
    expect(record).toMatchObject({ status: 'in_progress', calls: [{ outcome: '', unknown: 1, open: 0 }] });
    expect([...record.images.keys()]).toEqual([0]);
    expect(Number(await one.redis.zscore(one.keys.openJobs, id.jobId))).toBeLessThanOrEqual(Date.now());
  });

  test('of a cancelled job is kept', async () => {
    const id = await spool(one);
    await withholdCalls(one.steps, id.jobId, 1, 'cancelled');
    bench.drain(one);
    expect((await until(id, 'completed')).images.size).toBe(2);
  });

  test('with bytes that are no image is said to be paid and lost', async () => {
    const images = [0, 1].map((index) => ({ index, revisedPrompt: null, bytes: Buffer.from(`no image ${index}`) }));
    const id = await spool(one, { images });
    bench.drain(one);
    expect(await until(id, 'failed')).toMatchObject({ calls: [{ error: { code: 'result_lost' } }] });
  });

  test('of a job that is no longer kept is put aside, and the others are stored', async () => {
    const id = await spool(one);
    await one.spool.write({ ...fileOf(id), jobId: 'job_other' });
    bench.drain(one);
    await until(id, 'completed');
    await vi.waitFor(async () => expect((await one.spool.use()).asideBytes).toBeGreaterThan(0), WAIT);
    await expectNothingWaits();
  });

  test('whose file is damaged is put aside and said to be lost, unless there is a copy', async () => {
    const [copied, lost] = [await spool(one), await spool(one)];
    await keepCopy(one.steps, copied, Buffer.concat(encodeAnswer(fileOf(copied))));
    for (const { jobId } of [copied, lost]) await truncate(join(one.config.SPOOL_DIR, `${jobId}.0.1.spool`), 500);
    bench.drain(one);
    await until(copied, 'completed');
    const { calls } = await until(lost, 'failed');
    expect(calls[0]?.error).toMatchObject({ code: 'result_lost', message: expect.stringContaining('damaged') });
  });
});

describe('an answer on a host that does not come back', () => {
  test('is waited for until its time is over, then reported with its host, and not bought again', async () => {
    const id = await spool(one);
    const two = await bench.host('host-2');
    bench.drain(two);
    await vi.waitFor(async () => expect((await bench.job(id)).status).toBe('in_progress'), WAIT);
    await bench.setUntil(id, Date.now() - 1);
    const record = await until(id, 'failed');
    expect(record.calls[0]?.error).toMatchObject({
      code: 'result_lost',
      message: expect.stringContaining(one.spool.hostId),
    });
    expect(record.attempts).toMatchObject([{ outcome: 'succeeded', costMicroUsd: 7 }]);
    expect(await listSpooled(one.steps, 10)).toEqual([]);
  });

  test('that turns up after that is put into storage, and a retry finds it there', async () => {
    const id = await spool(one);
    const two = await bench.host('host-2');
    await bench.setUntil(id, Date.now() - 1);
    const drainer = bench.drain(two);
    await until(id, 'failed');
    await drainer.stop();
    bench.drain(one);
    await expectNothingWaits();
    expect(await bench.job(id)).toMatchObject({ status: 'failed', images: new Map() });
    await retryJob(one.steps, await bench.job(id));
    const item = { jobId: id.jobId, call: 0, run: 2 };
    expect(await runCall(one, item, heldBy('token'), new AbortController().signal)).toEqual({ kind: 'done' });
    expect(await bench.job(id)).toMatchObject({ status: 'completed', attempts: [{ seq: 1 }] });
  });

  test('is not given up while its host says that it has it', async () => {
    await bench.takeStorageAway();
    const id = await spool(one);
    await bench.setUntil(id, Date.now() + 1_000);
    bench.drain(one);
    await vi.waitFor(async () => {
      const [answer] = await listSpooled(one.steps, 1);
      expect(answer?.until).toBeGreaterThan(Date.now() + HOST_PATIENCE_MS - 60_000);
    }, WAIT);
    await bench.bringStorageBack();
    await until(id, 'completed');
  });
});

describe('the late answer of a frozen worker', () => {
  test('is kept when the call has no outcome yet; the attempt under way beside it changes nothing any more', async () => {
    const late = await bench.send(one);
    const second = await bench.sendAgain(one, late);
    await one.spool.write(fileOf(late));
    bench.drain(one);
    const record = await until(late, 'completed');
    expect(record.attempts).toMatchObject([{ outcome: 'succeeded' }, { outcome: null }]);
    const finish = { outcome: 'succeeded', facts: FACTS, count: '', isFinal: false, error: null } as const;
    await finishAttempt(one.steps, { ...second, ...finish, images: [], callImages: [0, 1] });
    const state = JSON.parse((await one.redis.hget(one.keys.job(late.jobId), 'state')) ?? '{}') as object;
    expect(state).toMatchObject({ underWay: 0, left: 0, images: 2 });
  });

  test('under way beside a call that has ended is closed when its worker is gone too', async () => {
    const late = await bench.send(one);
    await bench.sendAgain(one, late);
    await one.spool.write(fileOf(late));
    bench.drain(one);
    await until(late, 'completed');
    const lock = `${one.keys.queuePrefix}:calls-gpt-image-2:${late.jobId}-c0:lock`;
    await one.redis.set(lock, 'token-3');
    const item = { jobId: late.jobId, call: 0, run: 1 };
    expect(await runCall(one, item, heldBy('token-3'), new AbortController().signal)).toEqual({ kind: 'done' });
    expect((await bench.job(late)).attempts).toMatchObject([{ outcome: 'succeeded' }, { outcome: 'unknown' }]);
  });
});

describe('links', () => {
  let links: LinkHost;
  beforeEach(async () => {
    links = await startLinkHost();
  });
  afterEach(() => links.stop());

  /** A worker that died right after it had noted a reply of links. */
  async function noteLinks(untilMs = Date.now() + 60_000): Promise<AnswerId> {
    const id = await bench.send(one);
    const end = new Date(untilMs).toISOString();
    const row: SpooledAnswerRow = {
      until: untilMs,
      host: null,
      links: [`${links.url}/0?se=${end}`, `${links.url}/1?se=${end}`],
      revisedPrompts: ['improved', null],
      images: 2,
    };
    await noteAnswer(one.steps, id.jobId, 0, id.seq, FACTS, { row, owner: 'a dead worker', leaseMs: 300 });
    return id;
  }

  /** As if it had been answered some minutes ago. */
  async function makeOld(id: AnswerId): Promise<void> {
    const [key, field] = [one.keys.job(id.jobId), `attempt:${id.call}.${id.seq}`];
    const row = JSON.parse((await one.redis.hget(key, field)) ?? '{}') as object;
    await one.redis.hset(key, field, JSON.stringify({ ...row, answeredAt: Date.now() - 180_000 }));
  }

  test('of a dead worker are followed by another', async () => {
    const id = await noteLinks();
    bench.drain(await bench.host('host-2'));
    const record = await until(id, 'completed');
    expect(record.images.get(0)?.revisedPrompt).toBe('improved');
    expect([record.attempts.length, links.asked]).toEqual([1, 2]);
    await expectNothingWaits();
  });

  test('whose host is away are followed until it is back', async () => {
    links.status = 503;
    const id = await noteLinks();
    bench.drain(one);
    await vi.waitFor(() => expect(links.asked).toBeGreaterThan(3), WAIT);
    expect((await bench.job(id)).status).toBe('in_progress');
    links.status = 200;
    expect((await until(id, 'completed')).attempts).toHaveLength(1);
  });

  test.each([403, 404, 204, 206])(
    'that answer %d for minutes are followed until the image is there',
    async (status) => {
      links.status = status;
      const id = await noteLinks();
      await makeOld(id);
      bench.drain(one);
      await vi.waitFor(() => expect(links.asked).toBeGreaterThan(1), WAIT);
      links.status = 200;
      expect((await until(id, 'completed')).attempts).toHaveLength(1);
    },
  );

  test.each([503, 404, 204])('that answer %d to their end are paid and lost', async (status) => {
    links.status = status;
    const id = await noteLinks(Date.now() + 5_000);
    bench.drain(one);
    const { calls, attempts } = await until(id, 'failed');
    const message = expect.stringMatching(`its link has expired, .*the server answered ${status}`);
    expect(calls).toMatchObject([{ error: { code: 'result_lost', message } }]);
    expect(attempts).toMatchObject([{ outcome: 'succeeded', costMicroUsd: 7 }]);
    expect(links.asked).toBeGreaterThan(0);
  });

  test('are followed behind answers that can’t be looked at, as many as there are', async () => {
    for (let bad = 0; bad < 10; bad += 1) {
      // What is kept of its job is no record.
      await one.redis.set(one.keys.job(`job_bad_${bad}`), 'no hash');
      await one.redis.zadd(one.keys.spooled, Date.now() + bad, `job_bad_${bad} 0 1`);
    }
    const id = await noteLinks();
    bench.drain(one);
    await until(id, 'completed');
  });

  test('are followed while storage is away, and what they led to waits in the spool', async () => {
    await bench.takeStorageAway();
    const id = await noteLinks();
    bench.drain(one);
    await vi.waitFor(async () => expect(await one.spool.list()).toEqual([id]), WAIT);
    links.status = 403;
    await bench.bringStorageBack();
    const record = await until(id, 'completed');
    expect([record.images.size, links.asked]).toEqual([2, 2]);
    await expectNothingWaits();
  });

  test('led to bytes that another host can store when this one is gone', async () => {
    const two = await bench.host('host-2');
    await bench.takeStorageAway();
    const id = await noteLinks();
    const drainer = bench.drain(one);
    await vi.waitFor(async () => expect(await readCopy(one.steps, id)).not.toBeNull(), WAIT);
    await drainer.stop();
    links.status = 403;
    await bench.bringStorageBack();
    bench.drain(two);
    expect((await until(id, 'completed')).images.size).toBe(2);
    expect(await one.redis.hlen(one.keys.spoolCopies)).toBe(0);
  });
});
