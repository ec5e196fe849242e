// An answer whose images can't be stored for a reason nobody foresaw, or slowly: its bytes are kept, and others may take it in hand.
import { type AnswerId, entryOf, readCopy } from '@darkroom/shared/jobs/spool-steps.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Deps } from '../deps.ts';
import { observe } from '../governor/observation.ts';
import { holdPuts } from '../testing/held-store.ts';
import { openSpoolBench, PIXEL, type SpoolBench } from '../testing/spool-bench.ts';
import type { UpstreamAnswer } from '../upstream/client.ts';
import type { SentAttempt } from './run-call.ts';
import { settleAnswer } from './settle-answer.ts';

const WAIT = { timeout: 20_000, interval: 20 };
const ANSWER: UpstreamAnswer = {
  status: 200,
  requestId: 'req_1',
  usage: null,
  echo: {},
  images: [0, 1].map(() => ({ kind: 'bytes', bytes: PIXEL, revisedPrompt: null })),
  observation: observe(new Headers(), '', Date.now()),
  isWhole: true,
  broken: null,
};

let bench: SpoolBench;
let one: Deps;

beforeEach(async () => {
  bench = await openSpoolBench();
  one = await bench.host('host-1');
});
afterEach(() => bench.close());

async function attemptOf(id: AnswerId): Promise<SentAttempt> {
  const record = await bench.job(id);
  const acquired = await one.governor.acquire({ model: record.spec.model, images: 2, tokens: 0, onlyKey: null });
  if (acquired.kind !== 'permit') throw new Error(`no permit: ${acquired.kind}`);
  return {
    work: { record, call: id.call, missing: [0, 1], tag: 1 },
    gate: { kind: 'go', seq: id.seq, failed: 0, moderated: 0, unknown: 0, sendBefore: Number.POSITIVE_INFINITY },
    images: [0, 1],
    permit: acquired.permit,
    startedAt: Date.now(),
  };
}

test('storing that goes wrong in an unforeseen way leaves the answer in the spool, and no lease behind', async () => {
  const id = await bench.send(one);
  const attempt = await attemptOf(id);
  // What Redis knows of the storage can't be read.
  await one.redis.set(one.keys.storage, 'not a hash');
  expect(await settleAnswer(one, attempt, ANSWER)).toEqual({ kind: 'done' });
  expect(await one.spool.has(id)).toBe(true);
  expect((await bench.job(id)).calls[0]?.spooled).toBe(1);
  expect(await one.redis.exists(one.keys.spoolLease(entryOf(id)))).toBe(0);
  await one.redis.del(one.keys.storage);
  bench.drain(one);
  await vi.waitFor(async () => expect((await bench.job(id)).status).toBe('completed'), WAIT);
  await vi.waitFor(async () => expect(await one.spool.has(id)).toBe(false), WAIT);
});

test('an answer that is slow to store has a copy in Redis meanwhile, which goes when it is stored', async () => {
  const id = await bench.send(one);
  const attempt = await attemptOf(id);
  const { store, letGo } = holdPuts(one.store);
  const settled = settleAnswer({ ...one, store }, attempt, ANSWER);
  await vi.waitFor(async () => expect(await readCopy(one.steps, id)).not.toBeNull(), WAIT);
  letGo();
  expect(await settled).toEqual({ kind: 'done' });
  expect((await bench.job(id)).status).toBe('completed');
  expect([await readCopy(one.steps, id), await one.redis.hlen(one.keys.spoolCopies)]).toEqual([null, 0]);
  expect(await one.spool.has(id)).toBe(false);
});
