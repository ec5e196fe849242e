// An answer whose images can't be stored for a reason nobody foresaw, or slowly: its bytes are kept, and others may take it in hand.
// And one whose links lead to the wrong thing: its images may come yet, and no others are bought meanwhile.
import { unreadableKey } from '@darkroom/shared/images/keys.ts';
import { type AnswerId, entryOf, readCopy } from '@darkroom/shared/jobs/spool-steps.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Deps } from '../deps.ts';
import { observe } from '../governor/observation.ts';
import { holdPuts } from '../testing/held-store.ts';
import { type LinkHost, openSpoolBench, PIXEL, type SpoolBench, startLinkHost } from '../testing/spool-bench.ts';
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

describe('links to the wrong thing', () => {
  let links: LinkHost;
  beforeEach(async () => {
    links = await startLinkHost();
  });
  afterEach(() => links.stop());

  async function settle(id: AnswerId, host: string, lifeMs: number): Promise<string> {
    const end = new Date(Date.now() + lifeMs).toISOString();
    const images = [0, 1].map((place) => {
      return { kind: 'url', url: `${host}/${place}?se=${end}`, revisedPrompt: null } as const;
    });
    const attempt = await attemptOf(id);
    expect(await settleAnswer(one, attempt, { ...ANSWER, images })).toEqual({ kind: 'done' });
    expect((await bench.job(id)).calls).toMatchObject([{ outcome: '', spooled: 1 }]);
    const { lane } = attempt.work.record.spec;
    expect(one.linkBreaker.isShut(lane)).toBe(true);
    return lane;
  }

  test('a page with status 200 is asked for again until it is the image, and shuts the lane till then', async () => {
    links.page = '<h1>We are back soon</h1>';
    const id = await bench.send(one);
    const lane = await settle(id, links.url, 600_000);
    const asked = links.asked;
    bench.drain(one);
    await vi.waitFor(() => expect(links.asked).toBeGreaterThan(asked + 1), WAIT);
    expect(one.linkBreaker.isShut(lane)).toBe(true);
    const { account } = (await bench.job(id)).spec;
    expect(Buffer.from((await one.store.read(unreadableKey(account, id.jobId, 0))) ?? []).toString()).toBe(links.page);
    links.page = null;
    await vi.waitFor(async () => expect((await bench.job(id)).status).toBe('completed'), WAIT);
    expect(one.linkBreaker.isShut(lane)).toBe(false);
    expect((await bench.job(id)).attempts).toMatchObject([{ outcome: 'succeeded' }]);
  });

  test('an address that is not allowed is lost at the link’s end, with the reason, and not before', async () => {
    const id = await bench.send(one);
    await settle(id, links.url.replace('127.0.0.1', '127.0.0.2'), 8_000);
    bench.drain(one);
    await vi.waitFor(async () => expect((await bench.job(id)).status).toBe('failed'), WAIT);
    const { calls } = await bench.job(id);
    const message = expect.stringMatching(/expired.*must not name a private/);
    expect(calls).toMatchObject([{ error: { code: 'result_lost', message } }]);
    expect(links.asked).toBe(0);
  });
});
