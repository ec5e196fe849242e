import { newJobId } from '@darkroom/shared/base/ids.ts';
import { expect, test } from 'vitest';
import { isStillKept } from './retention.ts';

const DAY_MS = 86_400_000;

test('a record must be there until its retention is over, told from the id', () => {
  const now = Date.now();
  const id = newJobId();
  for (const each of [id, `${id}-17`]) {
    expect(isStillKept(each, now + DAY_MS - 60_000, DAY_MS)).toBe(true);
    expect(isStillKept(each, now + DAY_MS + 60_000, DAY_MS)).toBe(false);
    expect(isStillKept(each, now + 1_000 * DAY_MS, Number.POSITIVE_INFINITY)).toBe(true);
  }
});

test('what is no id of a job need not be kept', () => {
  expect(isStillKept('somebody-else', Date.now(), Number.POSITIVE_INFINITY)).toBe(false);
});
