import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newBatchId, newJobId } from '../base/ids.ts';
import { keysOf } from '../base/keys.ts';
import type { BatchSpec } from '../batches/record.ts';
import { createBatch } from '../batches/steps.ts';
import { type Created, createJob, type JobSteps } from './steps.ts';
import { TEST_SPEC } from './test-spec.ts';
import { type Askers, endAsking, joinUnanswered, startAskers } from './unanswered.ts';

let redis: TestRedis;
let steps: JobSteps;
let [here, there]: [Askers, Askers] = [] as never;
let fingerprints = 0;

const noError = (error: unknown): never => {
  throw error;
};

beforeAll(async () => {
  redis = await openTestRedis();
  steps = { redis: redis.redis, keys: keysOf(redis.prefix), retentionMs: 3_600_000 };
  [here, there] = [await startAskers(steps, noError), await startAskers(steps, noError)];
});
afterAll(async () => {
  await Promise.all([here.stop(), there.stop()]);
  await redis.close();
});

/** What one client after the other does with the same request. */
function newRequest() {
  const fingerprint = `f${(fingerprints += 1)}`;
  return {
    fingerprint,
    /** A first try: it makes a job. */
    async ask(process = here) {
      const asker = process.next();
      const created = await this.create(asker, false);
      return { id: created.id, asker };
    },
    create: (asker: string, isRetry: boolean): Promise<Created> =>
      createJob(steps, newJobId(), TEST_SPEC, null, { fingerprint, asker, isRetry }),
    /** A retry of the client: the job it joins. */
    async retry(process = here) {
      const asker = process.next();
      return { id: await joinUnanswered(steps, TEST_SPEC.account, { fingerprint, asker }), asker };
    },
    end: (how: 'written' | 'left', { id, asker }: { id: string | null; asker: string }) =>
      endAsking(steps, TEST_SPEC.account, { fingerprint, asker }, id ?? '', how),
  };
}

describe('a retry', () => {
  test('finds nothing when nobody asked for the same', async () => {
    await newRequest().ask();
    expect((await newRequest().retry()).id).toBeNull();
  });

  test('joins the job of its earlier try, and so does the next retry, on any process', async () => {
    const request = newRequest();
    const first = await request.ask();
    await request.end('left', first);
    const second = await request.retry(there);
    expect(second.id).toBe(first.id);
    await request.end('left', second);
    expect((await request.retry()).id).toBe(first.id);
  });

  test('joins what was answered a moment ago: the reply may be lost on its way', async () => {
    const request = newRequest();
    const first = await request.ask();
    await request.end('written', first);
    const second = await request.retry();
    expect(second.id).toBe(first.id);
    await request.end('written', second);
    expect((await request.retry()).id).toBe(first.id);
  });

  test('leaves nothing of what was answered long ago, though the same is asked again and again', async () => {
    const request = newRequest();
    const key = steps.keys.unanswered('acme', request.fingerprint);
    for (let asked = 0; asked < 30; asked += 1) {
      const one = await request.ask();
      await request.end('written', one);
      await steps.redis.hset(`${key}:askers`, one.id, `w${Date.now() - 15_500}`);
    }
    expect([await steps.redis.zcard(key), await steps.redis.hlen(`${key}:askers`)]).toEqual([1, 1]);
  });

  test('finds nothing when the final reply was written longer ago', async () => {
    const request = newRequest();
    const made = [await request.ask(), await request.ask()];
    for (const one of made) await request.end('written', one);
    const key = steps.keys.unanswered('acme', request.fingerprint);
    const longAgo = `w${Date.now() - 15_500}`;
    for (const { id } of made) await steps.redis.hset(`${key}:askers`, id, longAgo);
    expect((await request.retry()).id).toBeNull();
    expect(await steps.redis.exists(key, `${key}:askers`)).toBe(0);
  });

  test('joins what is unanswered before what was answered', async () => {
    const request = newRequest();
    const [answered, waiting, gone] = [await request.ask(), await request.ask(), await request.ask()];
    await request.end('written', answered);
    await request.end('left', gone);
    const joined = [await request.retry(), await request.retry()];
    expect(joined.map(({ id }) => id)).toEqual([gone.id, waiting.id]);
  });

  test('finds a job of its own when several replies were lost', async () => {
    const request = newRequest();
    const made = [await request.ask(), await request.ask(), await request.ask()];
    for (const one of made) await request.end('written', one);
    const joined: (string | null)[] = [];
    for (const _ of made) {
      const retry = await request.retry();
      joined.push(retry.id);
      await request.end('written', retry);
    }
    expect(new Set(joined)).toEqual(new Set(made.map(({ id }) => id)));
  });

  test('goes to the oldest whose client is gone, else to the oldest', async () => {
    const request = newRequest();
    const [oldest, , gone] = [await request.ask(), await request.ask(), await request.ask()];
    await request.end('left', gone);
    expect((await request.retry()).id).toBe(gone.id);
    expect((await request.retry()).id).toBe(oldest.id);
  });

  test('does not share a job with another retry, though nobody saw their clients leave', async () => {
    const request = newRequest();
    const made = [await request.ask(), await request.ask()];
    const joined = [await request.retry(), await request.retry(), await request.retry()];
    expect(joined.map(({ id }) => id)).toEqual([made[0]?.id, made[1]?.id, made[0]?.id]);
  });

  test('never shares the job of a client that is gone while another such job is free', async () => {
    const request = newRequest();
    const made = await Promise.all(Array.from({ length: 30 }, () => request.ask()));
    await Promise.all(made.map((one) => request.end('left', one)));
    const joined = await Promise.all(made.map((_, index) => request.retry(index % 2 === 0 ? here : there)));
    expect(new Set(joined.map(({ id }) => id))).toEqual(new Set(made.map(({ id }) => id)));
  });

  test('finds its job among many others', async () => {
    const request = newRequest();
    const made: Awaited<ReturnType<typeof request.ask>>[] = [];
    for (let index = 0; index < 250; index += 1) made.push(await request.ask());
    await request.end('left', made[240] ?? expect.fail());
    expect((await request.retry()).id).toBe(made[240]?.id);
  });

  test('keeps the job joinable while another who waits for it has no reply', async () => {
    const request = newRequest();
    const first = await request.ask();
    const second = await request.retry();
    await request.end('written', second);
    expect((await request.retry()).id).toBe(first.id);
  });

  test('takes the clients of a dead process for gone', async () => {
    const request = newRequest();
    const dying = await startAskers(steps, noError);
    const [oldest, orphan] = [await request.ask(), await request.ask(dying)];
    await dying.stop();
    expect((await request.retry()).id).toBe(orphan.id);
    expect((await request.retry()).id).toBe(oldest.id);
  });

  test('does not join what is no longer kept', async () => {
    const request = newRequest();
    const [lost, kept] = [await request.ask(), await request.ask()];
    for (const one of [lost, kept]) await request.end('left', one);
    await steps.redis.del(steps.keys.job(lost.id));
    expect((await request.retry()).id).toBe(kept.id);
  });

  test('does not join another account’s', async () => {
    const request = newRequest();
    await request.ask();
    const { fingerprint } = request;
    expect(await joinUnanswered(steps, 'other', { fingerprint, asker: here.next() })).toBeNull();
  });

  test('that comes while the first try is still on its way makes one job with it', async () => {
    const request = newRequest();
    const [first, second] = [await request.create(here.next(), false), await request.create(there.next(), true)];
    expect([first.kind, second.kind, second.id]).toEqual(['created', 'joined', first.id]);
  });
});

test('an entry nobody asks for again lives an hour', async () => {
  const request = newRequest();
  await request.ask();
  const key = steps.keys.unanswered('acme', request.fingerprint);
  for (const each of [key, `${key}:askers`]) {
    const left = await steps.redis.pttl(each);
    expect(left).toBeGreaterThan(3_590_000);
    expect(left).toBeLessThanOrEqual(3_600_000);
  }
});

test('an answered entry is forgotten after 15 s', async () => {
  const request = newRequest();
  await request.end('written', await request.ask());
  const key = steps.keys.unanswered('acme', request.fingerprint);
  for (const each of [key, `${key}:askers`]) expect(await steps.redis.pttl(each)).toBeLessThanOrEqual(15_000);
});

test('a job nobody may join leaves no entry', async () => {
  await createJob(steps, newJobId(), TEST_SPEC, { keyHash: 'k', fingerprint: 'unused' });
  expect(await steps.redis.keys(`*unanswered*unused*`)).toEqual([]);
});

test('a repeated batch is joined as a job is', async () => {
  const spec: BatchSpec = {
    account: 'acme',
    endpoint: '/v1/images/generations',
    inputFileId: null,
    inputKey: 'files/acme/x',
    completionWindow: '24h',
    windowMs: 86_400_000,
    onInvalid: 'reject',
    priority: 'low',
    metadata: {},
    webhook: null,
  };
  const fingerprint = 'batch';
  const create = (isRetry: boolean) =>
    createBatch(steps, newBatchId(), spec, null, { fingerprint, asker: here.next(), isRetry });
  const [first, again, fresh] = [await create(false), await create(true), await create(false)];
  expect([again.kind, again.id]).toEqual(['joined', first.id]);
  expect([fresh.kind, fresh.id === first.id]).toEqual(['created', false]);
  expect(await joinUnanswered(steps, 'acme', { fingerprint, asker: here.next() })).toBe(fresh.id);
});
