// Three workers, each with connections of its own: how soon all of them know that a limit has stopped.
import { openRedis } from '@darkroom/shared/base/redis.ts';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Governor } from './governor/governor.ts';
import { watchLimitChanges } from './limit-changes.ts';
import {
  FAMILY,
  type GovernorKit,
  MODEL,
  openGovernorKit,
  permitOf,
  refuse,
  SISTER,
  said,
  told,
} from './testing/governor-kit.ts';

const WORKERS = 3;
const SOON_MS = 100;
let kit: GovernorKit;
let subscribers: Redis[] = [];

beforeAll(async () => {
  kit = await openGovernorKit();
});
afterEach(() => {
  for (const subscriber of subscribers.splice(0)) subscriber.disconnect();
  kit.closeAll();
});
afterAll(() => kit.close());

interface Watching {
  readonly governor: Governor;
  /** How often its lanes were woken. */
  readonly woken: { count: number };
}

async function openWorkers(limits: Parameters<GovernorKit['openWith']>[0]): Promise<Watching[]> {
  const prefix = kit.newPrefix();
  const workers: Watching[] = [];
  for (let index = 0; index < WORKERS; index += 1) {
    const governor = await kit.openWith(limits, prefix);
    const subscriber = await openRedis(kit.url, 'patient', () => undefined);
    subscribers.push(subscriber);
    const woken = { count: 0 };
    await watchLimitChanges({ governor, keys: kit.keys(prefix) }, subscriber, () => {
      woken.count += 1;
    });
    workers.push({ governor, woken });
  }
  return workers;
}

const awake = new AbortController().signal;
/** Six images a second: the fifth call and those after it have to sleep. */
const LIMITS = {
  [MODEL]: told({ images_per_minute: 360, burst_seconds: 0.5 }),
  [SISTER]: told({ images_per_minute: 60, burst_seconds: 0 }),
};

test('sleepers with a permit of a stopped limit wake within 100 ms, on all workers; the others sleep on', async () => {
  const workers = await openWorkers({ default: LIMITS });
  const first = workers[0]?.governor as Governor;
  const sent = await permitOf(first);
  const permits = [];
  for (let index = 0; index < 24; index += 1)
    permits.push(await permitOf(workers[index % WORKERS]?.governor as Governor));
  await permitOf(first, 1, { model: SISTER });
  const other = await permitOf(first, 1, { model: SISTER });
  const asleep = permits.filter(({ waitMs }) => waitMs > 500);
  expect(asleep.length).toBeGreaterThan(15);

  const slept = asleep.map(async (permit) => ({ how: await permit.sleep(awake), at: performance.now() }));
  const otherSlept = other.sleep(awake);
  await refuse(first, sent, said({ 'retry-after': '2' }));
  const stoppedAt = performance.now();
  const ends = await Promise.all(slept);
  expect(ends.map(({ how }) => how)).toEqual(ends.map(() => 'stopped'));
  expect(Math.max(...ends.map(({ at }) => at)) - stoppedAt).toBeLessThan(SOON_MS);
  expect(await otherSlept).toBe('rested');
});

test('a stop of the family wakes the sleepers of its models', async () => {
  const workers = await openWorkers({ default: LIMITS });
  const first = workers[0]?.governor as Governor;
  const sent = await permitOf(first, 1, { model: SISTER });
  const asleep = await permitOf(workers[1]?.governor as Governor, 1, { model: SISTER });
  const slept = asleep.sleep(awake);
  const message = `Rate limit reached for m (for limit ${FAMILY}) on input-images per min: Limit 60, Used 60, Requested 1.`;
  await refuse(first, sent, said({}, message));
  expect(await slept).toBe('stopped');
});

test('a stop under one key leaves the sleepers of another alone', async () => {
  const slow = { [MODEL]: told({ images_per_minute: 120, burst_seconds: 0 }) };
  const workers = await openWorkers({ a: slow, b: slow });
  const first = workers[0]?.governor as Governor;
  const sent = await permitOf(first, 1, { onlyKey: 'a' });
  await permitOf(first, 1, { onlyKey: 'b' });
  const slept = (await permitOf(workers[1]?.governor as Governor, 1, { onlyKey: 'b' })).sleep(awake);
  await refuse(first, sent, said({ 'retry-after': '2' }));
  expect(await slept).toBe('rested');
});

test('a key that goes on wakes the lanes of all workers, a stop wakes none', async () => {
  const workers = await openWorkers({ default: {} });
  const first = workers[0]?.governor as Governor;
  await refuse(first, await permitOf(first), said({ 'retry-after': '1' }));
  const refusal = { status: 401, type: 'x', code: 'x', message: 'no' } as Parameters<Governor['pauseKey']>[1];
  await first.pauseKey('default', refusal, { isProbe: false, start: Date.now() });
  await first.resumeKey('default');
  await expect.poll(() => workers.map(({ woken }) => woken.count)).toEqual([1, 1, 1]);
});

test('a sleeper that is told to stop says so, and one without a wait does not sleep', async () => {
  const [worker] = await openWorkers({ default: LIMITS });
  const governor = worker?.governor as Governor;
  const stopping = new AbortController();
  expect(await (await permitOf(governor, 1, { model: SISTER })).sleep(stopping.signal)).toBe('rested');
  const slept = (await permitOf(governor, 1, { model: SISTER })).sleep(stopping.signal);
  stopping.abort();
  expect(await slept).toBe('aborted');
});
