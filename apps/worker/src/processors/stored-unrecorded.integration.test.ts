// Images of a spooled answer that a worker has put into storage before it died, and could not record any more.
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { imageKey } from '@darkroom/shared/images/keys.ts';
import { finishAttempt, noteAnswer } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { JobRecord, SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import { type AnswerId, listSpooled, noteSpooled } from '@darkroom/shared/jobs/spool-steps.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Deps } from '../deps.ts';
import { type LinkHost, openSpoolBench, PIXEL, type SpoolBench, startLinkHost } from '../testing/spool-bench.ts';
import { drainRest } from './drain-links.ts';
import { storeImage } from './keep-image.ts';
import { endLost, NOBODY } from './lost-attempt.ts';
import { recoverStored } from './recover-stored.ts';
import { HOST_PATIENCE_MS } from './spool-answer.ts';

const WAIT = { timeout: 20_000, interval: 20 };
const FACTS = { costMicroUsd: 7, requestId: 'req_1' };
let bench: SpoolBench;
let one: Deps;
let two: Deps;

beforeEach(async () => {
  bench = await openSpoolBench();
  one = await bench.host('host-1');
  two = await bench.host('host-2');
});
afterEach(() => bench.close());

async function store(id: AnswerId, indexes: readonly number[]): Promise<void> {
  const record = await bench.job(id);
  for (const index of indexes)
    await storeImage(one, record, { ...FACTS, ...id }, { index, revisedPrompt: null, bytes: PIXEL });
}

async function until(id: AnswerId, status: JobRecord['status']): Promise<JobRecord> {
  const record = await vi.waitFor(async () => {
    const now = await bench.job(id);
    expect(now.status).toBe(status);
    return now;
  }, WAIT);
  expect(record.attempts).toMatchObject([{ outcome: 'succeeded', costMicroUsd: 7 }]);
  expect(await listSpooled(one.steps, 10)).toEqual([]);
  return record;
}

describe('links', () => {
  let links: LinkHost;
  beforeEach(async () => {
    links = await startLinkHost();
    // As of a host that gives each image once.
    links.status = 404;
  });
  afterEach(() => links.stop());

  async function noteLinks(leftMs: number): Promise<AnswerId> {
    const id = await bench.send(one);
    const until = Date.now() + leftMs;
    const end = new Date(until).toISOString();
    const row: SpooledAnswerRow = {
      until,
      host: null,
      links: [0, 1].map((place) => `${links.url}/${place}?se=${end}`),
      revisedPrompts: ['improved', null],
      images: 2,
    };
    await noteAnswer(one.steps, id.jobId, 0, id.seq, FACTS, { row, owner: 'a dead worker', leaseMs: 1 });
    return id;
  }

  test('whose images are all in storage are not followed a second time', async () => {
    const id = await noteLinks(600_000);
    await store(id, [0, 1]);
    bench.drain(two);
    const { images } = await until(id, 'completed');
    expect([images.get(0)?.revisedPrompt, links.asked]).toEqual(['improved', 0]);
  });

  test('that lead to nothing more lose what is not in storage, and nothing else', async () => {
    const id = await noteLinks(4_000);
    await store(id, [0]);
    bench.drain(two);
    const { images, calls } = await until(id, 'incomplete');
    expect([...images.keys()]).toEqual([0]);
    expect(calls).toMatchObject([{ error: { code: 'result_lost' } }]);
    expect(links.asked).toBeGreaterThan(0);
  });

  test('that end while the storage is away lose nothing before it is back', async () => {
    const id = await noteLinks(-1);
    await store(id, [0, 1]);
    await bench.takeStorageAway();
    const look = () => drainRest(two, id, null, new AbortController().signal);
    // The first one finds out, the second knows.
    expect([await look(), two.breaker.isOpen, await look()]).toEqual(['links', true, 'links']);
    expect((await bench.job(id)).status).toBe('in_progress');
    await bench.bringStorageBack();
    bench.drain(two);
    await until(id, 'completed');
  });
});

describe('bytes', () => {
  /** As a worker leaves it that died with its host while it stored what it had noted as spooled. */
  async function spool(): Promise<AnswerId> {
    const id = await bench.send(one);
    await noteSpooled(one.steps, id, FACTS, {
      until: Date.now() + HOST_PATIENCE_MS,
      host: one.spool.hostId,
      images: 2,
    });
    return id;
  }

  test('of a host that is gone are all in storage: the call has succeeded', async () => {
    const id = await spool();
    await store(id, [0, 1]);
    await bench.setUntil(id, Date.now() - 1);
    bench.drain(two);
    await until(id, 'completed');
    const drained = (await two.metrics.answersDrained.get()).values;
    expect(drained).toMatchObject([{ value: 1, labels: { end: 'stored' } }]);
  });

  test('of a host that is gone are lost as far as they are not in storage', async () => {
    const id = await spool();
    await store(id, [1]);
    await bench.setUntil(id, Date.now() - 1);
    bench.drain(two);
    const { images, calls } = await until(id, 'incomplete');
    expect([...images.keys()]).toEqual([1]);
    expect(calls[0]?.error).toMatchObject({ code: 'result_lost', message: expect.stringContaining(one.spool.hostId) });
  });

  test('of a host that is gone are not lost while the storage is away', async () => {
    const id = await spool();
    await store(id, [0, 1]);
    await bench.takeStorageAway();
    await bench.setUntil(id, Date.now() - 1);
    const { firstLook } = bench.drain(two);
    await firstLook;
    expect((await bench.job(id)).status).toBe('in_progress');
    await bench.bringStorageBack();
    await until(id, 'completed');
  });

  test('in a file that is damaged are not lost either', async () => {
    const id = await spool();
    const images = [0, 1].map((index) => ({ index, revisedPrompt: null, bytes: PIXEL }));
    await one.spool.write({ ...id, answeredAt: Date.now(), about: { facts: FACTS, waits: { images: 2 } }, images });
    await store(id, [0, 1]);
    await truncate(join(bench.folder, 'host-1', `${id.jobId}.0.${id.seq}.spool`), 10);
    bench.drain(one);
    await until(id, 'completed');
  });
});

test('an image that another attempt has stored is not told as that of one which ended without', async () => {
  const id = await bench.send(one);
  await finishAttempt(one.steps, {
    ...id,
    outcome: 'unknown',
    facts: { code: 'outcome_unknown' },
    count: 'unknown',
    isFinal: false,
    error: null,
    images: [],
    callImages: [0, 1],
  });
  const record = await bench.job(id);
  await store({ ...id, seq: id.seq + 1 }, [0, 1]); // whoever read the record knows nothing of it
  expect(await recoverStored(two, { record, call: 0, missing: [0, 1], tag: 0 })).toBe(false);
  expect((await bench.job(id)).attempts).toMatchObject([{ outcome: 'unknown' }]);
});

describe('after an attempt whose end nobody saw', () => {
  const missing = [0, 1];
  let id: AnswerId;
  beforeEach(async () => {
    id = await bench.send(one);
  });

  /** Whether the call has ended, and [seq, outcome, cost] of its attempts. */
  async function end(record: JobRecord, token = NOBODY): Promise<[boolean, unknown]> {
    const hasEnded = await endLost(two, { record, call: 0, missing, tag: 0 }, token);
    return [hasEnded, await attempts()];
  }

  async function attempts(): Promise<unknown> {
    const job = await bench.job(id);
    return job.attempts.map(({ seq, outcome, costMicroUsd }) => [seq, outcome, costMicroUsd]);
  }

  test('its images are told as its own', async () => {
    await store(id, [0, 1]);
    expect(await end(await bench.job(id))).toEqual([true, [[1, 'succeeded', null]]]);
  });

  test('those of a newer one are told as of that', async () => {
    await store(await bench.sendAgain(one, id), [0, 1]);
    expect(await end(await bench.job(id))).toEqual([
      true,
      [
        [1, 'unknown', undefined],
        [2, 'succeeded', null],
      ],
    ]);
  });

  test('a worker that stood still takes those of one it knows nothing of for nobody’s, and leaves that one alone', async () => {
    const before = await bench.job(id);
    const newer = await bench.sendAgain(one, id);
    await store(newer, [0, 1]);
    expect(await end(before, 'no longer the lock’s')).toEqual([
      true,
      [
        [1, 'unknown', undefined],
        [2, null, undefined],
      ],
    ]);
    const images = [...(await bench.job(id)).images.values()];
    const finish = { outcome: 'succeeded', count: '', isFinal: false, error: null, callImages: [0, 1] } as const;
    await finishAttempt(one.steps, { ...newer, ...finish, facts: FACTS, images });
    expect(await attempts()).toEqual([
      [1, 'unknown', undefined],
      [2, 'succeeded', 7],
    ]);
  });

  test('with all images of an older one found, a newer one under way is not left open', async () => {
    await store(id, [0, 1]);
    await bench.sendAgain(one, id);
    expect(await end(await bench.job(id))).toEqual([
      true,
      [
        [1, 'succeeded', null],
        [2, 'unknown', undefined],
      ],
    ]);
    expect((await bench.job(id)).status).toBe('completed');
  });

  test('of several that have stored some each nobody knows what it cost', async () => {
    await store(id, [0]);
    await store(await bench.sendAgain(one, id), [1]);
    expect(await end(await bench.job(id))).toEqual([
      true,
      [
        [1, 'unknown', undefined],
        [2, 'unknown', undefined],
      ],
    ]);
    expect([...(await bench.job(id)).images.keys()]).toEqual([0, 1]);
  });

  test('images that do not say whose they are, of a version before, are taken for the last one’s', async () => {
    await bench.sendAgain(one, id);
    const { spec } = await bench.job(id);
    for (const index of missing)
      await one.store.put(imageKey(spec.account, id.jobId, index, spec.outputFormat), PIXEL, {
        contentType: 'image/png',
      });
    expect(await end(await bench.job(id))).toEqual([
      true,
      [
        [1, 'unknown', undefined],
        [2, 'succeeded', null],
      ],
    ]);
  });
});
