import { createMetrics } from '@darkroom/shared/telemetry/metrics.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { buildLinkBreaker, type LinkBreaker } from './link-breaker.ts';

const LANE = 'dall-e-3';
const idOf = (jobId: string) => ({ jobId, call: 0, seq: 1 });
const signal = new AbortController().signal;
let breaker: LinkBreaker;
let metrics: ReturnType<typeof createMetrics>;

beforeEach(() => {
  vi.useFakeTimers();
  metrics = createMetrics();
  breaker = buildLinkBreaker({ metrics, log: pino({ level: 'silent' }) });
});
afterEach(() => vi.useRealTimers());

async function openLanes(): Promise<(number | undefined)[]> {
  return (await metrics.linkBreakerOpen.get()).values.map(({ value }) => value);
}

test('answers whose links can’t be fetched shut their lane alone, but for one call every 30 s', async () => {
  expect([breaker.mayBegin(LANE), breaker.mayBegin(LANE)]).toEqual([true, true]);
  breaker.failed(LANE, idOf('job_a'));
  expect([breaker.isShut(LANE), breaker.mayBegin(LANE), breaker.mayBegin('dall-e-2')]).toEqual([true, false, true]);
  expect(await openLanes()).toEqual([1]);
  vi.advanceTimersByTime(30_000);
  expect([breaker.isShut(LANE), breaker.mayBegin(LANE), breaker.mayBegin(LANE)]).toEqual([false, true, false]);
  breaker.failed(LANE, idOf('job_b'));
  vi.advanceTimersByTime(29_999);
  expect(breaker.mayBegin(LANE)).toBe(false);
  vi.advanceTimersByTime(1);
  expect(breaker.mayBegin(LANE)).toBe(true);
});

test('a download that works lets all go on, whatever else still waits', async () => {
  breaker.failed(LANE, idOf('job_a'));
  const waiting = breaker.untilMayBegin(LANE, signal);
  breaker.worked('dall-e-2');
  expect(breaker.isShut(LANE)).toBe(true);
  breaker.worked(LANE);
  await waiting;
  expect([breaker.mayBegin(LANE), breaker.mayBegin(LANE), breaker.pending()]).toEqual([true, true, []]);
  expect(await openLanes()).toEqual([0]);
});

test('calls go on when the last of the answers waits no longer', () => {
  breaker.failed(LANE, idOf('job_a'));
  breaker.failed(LANE, idOf('job_b'));
  breaker.failed('dall-e-2', idOf('job_c'));
  breaker.settled([idOf('job_a')]);
  expect(breaker.pending()).toEqual([idOf('job_b'), idOf('job_c')]);
  expect(breaker.isShut(LANE)).toBe(true);
  breaker.settled([idOf('job_b')]);
  expect([breaker.isShut(LANE), breaker.isShut('dall-e-2')]).toEqual([false, true]);
});

test('a lane at rest looks again when the next call may find out, and a stop ends its rest', async () => {
  await breaker.untilMayBegin(LANE, signal);
  breaker.failed(LANE, idOf('job_a'));
  const waiting = breaker.untilMayBegin(LANE, signal);
  await vi.advanceTimersByTimeAsync(30_000);
  await waiting;
  breaker.mayBegin(LANE);
  const stopping = new AbortController();
  const stopped = breaker.untilMayBegin(LANE, stopping.signal);
  stopping.abort(new Error('stop'));
  await expect(stopped).rejects.toThrow('stop');
});
