import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PutTimes } from './put-times.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const isStored = (end: string): boolean => end === 'stored';

function takes(ms: number, end: string): Promise<string> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(end), ms);
  });
}

test('a put that fails, throws or takes over a second makes the next one suspect, until one is quick', async () => {
  const times = new PutTimes();
  expect(times.isSuspect).toBe(false);
  for (const bad of [
    () => Promise.resolve('unstored'),
    () => Promise.reject(new Error('a bug')),
    () => takes(1_100, 'stored'),
  ]) {
    const put = times.watch(bad(), isStored).catch(() => undefined);
    await vi.advanceTimersByTimeAsync(1_100);
    await put;
    expect(times.isSuspect).toBe(true);
    await times.watch(Promise.resolve('stored'), isStored);
    expect(times.isSuspect).toBe(false);
  }
});
