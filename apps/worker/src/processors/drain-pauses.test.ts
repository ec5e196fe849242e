import { expect, test } from 'vitest';
import { nextLook, type Pause, PutOff } from './drain-pauses.ts';

const HOUR_MS = 3_600_000;
const id = { jobId: 'job_1', call: 0, seq: 1 };

test('an answer that the storage refuses is tried again after pauses that grow to ten minutes', () => {
  const putOff = new PutOff();
  const pauses: number[] = [];
  for (let now = 0; pauses.length < 9; ) {
    putOff.add(id, now);
    const from = now;
    while (!putOff.isDue(id, now)) now += 5_000;
    pauses.push((now - from) / 1_000);
  }
  expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 320, 600, 600]);
});

test('one that waits no longer is forgotten', () => {
  const putOff = new PutOff();
  putOff.add(id, 0);
  putOff.keep([id]);
  expect([putOff.size, putOff.has(id), putOff.isDue(id, 0)]).toEqual([1, true, false]);
  putOff.keep([{ ...id, seq: 2 }]);
  expect([putOff.size, putOff.has(id), putOff.isDue(id, 0)]).toEqual([0, false, true]);
});

test('links are asked for less and less often, but in their last moments, and at their end', () => {
  const look = (before: Pause | null, now: number) => nextLook('links', before ?? undefined, HOUR_MS, now);
  expect(look(null, 0)).toEqual({ at: 2_000, pauseMs: 2_000 });
  expect(look({ at: 0, pauseMs: 8_000 }, 0)).toEqual({ at: 10_000, pauseMs: 10_000 });
  expect(look({ at: 0, pauseMs: 8_000 }, HOUR_MS - 20_000)).toEqual({ at: HOUR_MS - 18_000, pauseMs: 2_000 });
  expect(look(null, HOUR_MS - 1_000)).toEqual({ at: HOUR_MS, pauseMs: 2_000 });
});

test('what the storage refuses when the time of an answer is over is not asked for without a pause', () => {
  expect(nextLook('refused', undefined, 0, HOUR_MS)).toEqual({ at: HOUR_MS + 5_000, pauseMs: 5_000 });
  expect(nextLook('away', undefined, 0, HOUR_MS)).toBeNull();
});
