// Several upstream keys: what one can't take the others do, and no call is sent under two keys unless the first has surely
// refused it. The simulator tells the keys apart by their ends.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { errorOf, type Job } from '../support/api.ts';
import { say } from '../support/say.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'darkroom-keys-'));
const KEYS_FILE = join(folder, 'keys.json');
const [A, B] = ['aaaa', 'bbbb'];
const MODEL = 'gpt-image-2';
/** BullMQ by itself would take a second; the way from the operator's request to the upstream's is part of this. */
const SOON_MS = 400;
let stack: TestStack;

beforeAll(async () => {
  const keys = [
    { name: 'team-a', key: `sk-upstream-${A}` },
    { name: 'team-b', key: `sk-upstream-${B}` },
  ];
  writeFileSync(KEYS_FILE, JSON.stringify(keys));
  stack = await startTestStack({ workers: 3, env: { OPENAI_KEYS_FILE: KEYS_FILE } });
});
beforeEach(() => stack.reset());
afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true });
});

const submitMany = (count: number): Promise<Job[]> =>
  Promise.all(Array.from({ length: count }, () => stack.api.submit({ model: MODEL })));
const allEnd = (jobs: readonly Job[]): Promise<Job[]> => Promise.all(jobs.map(({ id }) => stack.api.ended(id)));
const isPaused = async (name: string) => (await stack.redis.hexists(`{darkroom}:upstream-key:${name}`, 'paused')) === 1;
const requestsUnder = async (key: string | undefined) =>
  (await stack.simulator.ledger()).requests.filter((request) => request.key === key);

test('a key out of quota pauses alone: every job is done under the other, refused once at most', async () => {
  await stack.simulator.fault('insufficient_quota', { key: A });
  const ended = await allEnd(await submitMany(20));
  expect(ended.map(({ status }) => status)).toEqual(ended.map(() => 'completed'));
  for (const { id } of ended) {
    const outcomes = (await stack.api.attempts(id)).map(({ outcome }) => outcome);
    expect([['succeeded'], ['rejected', 'succeeded']]).toContainEqual(outcomes);
  }
  const { images } = await stack.simulator.ledger();
  expect(images).toHaveLength(20);
  expect([await isPaused('team-a'), await isPaused('team-b')]).toEqual([true, false]);
});

test('a stopped limit of one key holds nothing up while the other is free', async () => {
  await stack.simulator.fault('rate_limit_images', { key: A, count: 1, params: { limit: 60, retryAfterMs: 60_000 } });
  const first = await allEnd(await submitMany(5));
  expect(await stack.redis.hexists(`{darkroom}:bucket:team-a:${MODEL}`, 'notBefore')).toBe(1);
  const refused = await requestsUnder(A);
  expect(refused.filter(({ status }) => status === 429)).toHaveLength(1);
  const startedAt = Date.now();
  const second = await allEnd(await submitMany(20));
  say(`one of two keys stopped for a minute: 20 jobs in ${Date.now() - startedAt} ms`);
  expect([...first, ...second].filter(({ status }) => status !== 'completed')).toEqual([]);
  expect(await requestsUnder(A)).toHaveLength(refused.length);
});

test('a call of unknown outcome is repeated under its own key, though the other is free', async () => {
  await stack.simulator.fault('gateway_timeout_504', { key: A, count: 1 });
  await stack.simulator.fault('latency', { key: A, count: 1, params: { ms: 700 } });
  const submitted = await stack.api.submit({ model: MODEL });
  await until('the call is under way', async () => (await requestsUnder(A)).length === 1);
  // When the call is to be repeated, its key's limit is stopped.
  await stack.redis.hset(`{darkroom}:bucket:team-a:${MODEL}`, 'notBefore', Date.now() + 3_000);
  const job = await stack.api.ended(submitted.id);
  expect(job).toMatchObject({ status: 'completed' });
  expect((await stack.simulator.ledger()).requests.map(({ key }) => key)).toEqual([A, A]);
  expect((await stack.api.attempts(job.id)).map(({ outcome }) => outcome)).toEqual(['unknown', 'succeeded']);
});

test('with all keys paused a sync request is refused; resumed by hand, three workers start at once', async () => {
  for (const key of [A, B]) await stack.simulator.fault('insufficient_quota', { key: key ?? '' });
  const waiting = await submitMany(6);
  await until('both keys are paused', async () => (await isPaused('team-a')) && (await isPaused('team-b')));
  const sync = { body: { model: MODEL, prompt: 'a cat' } };
  const refused = await until('sync requests are refused', async () => {
    const reply = await stack.api.request('POST', '/v1/images/generations', sync);
    return reply.status === 429 ? reply : null;
  });
  expect(errorOf(refused).code).toBe('insufficient_quota');
  await until('the lane rests', async () => (await stack.redis.exists(`{darkroom}:calls-${MODEL}:limiter`)) === 1);
  await until('no call is under way', async () => (await stack.simulator.stats()).inFlight === 0);

  await stack.simulator.clearFaults();
  const before = (await stack.simulator.ledger()).requests.length;
  const resumedAt = Date.now();
  expect((await stack.api.request('POST', `/v1/lanes/${MODEL}/resume`)).status).toBe(200);
  const ended = await allEnd(waiting);
  expect(ended.map(({ status }) => status)).toEqual(ended.map(() => 'completed'));
  const starts = (await stack.simulator.ledger()).requests.slice(before).map(({ at }) => at - resumedAt);
  say(
    `resumed by hand: the first of ${starts.length} calls went out after ${Math.min(...starts)} ms, the last after ${Math.max(...starts)}`,
  );
  expect(Math.min(...starts)).toBeLessThan(SOON_MS);
});
