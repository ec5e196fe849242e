import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { describe, expect, test } from 'vitest';
import { onlyKeyFor } from './only-key.ts';

type Attempt = JobRecord['attempts'][number];

const attempt = (facts: Partial<Attempt>): Attempt => ({
  call: 0,
  seq: 1,
  run: 1,
  at: 0,
  outcome: null,
  upstreamKey: 'a',
  images: [0],
  ...facts,
});

describe('a call keeps to', () => {
  test.each<[string, readonly Partial<Attempt>[], string | null]>([
    ['no key before its first attempt', [], null],
    ['the key of an attempt that is open', [{ outcome: null }], 'a'],
    ['the key of an attempt of unknown outcome', [{ outcome: 'unknown' }], 'a'],
    ['the key of an attempt that failed with a 5xx', [{ outcome: 'failed', code: 'server_error' }], 'a'],
    ['the key that sent some of its images', [{ outcome: 'succeeded' }], 'a'],
    ['no key after a refusal', [{ outcome: 'rejected', code: 'insufficient_quota' }], null],
    ['no key when nothing was sent', [{ outcome: 'failed', code: 'upstream_unreachable' }], null],
    ['no key that is not configured any more', [{ outcome: 'unknown', upstreamKey: 'gone' }], null],
    [
      'the key of its latest attempt, whatever the order of the rows',
      [
        { seq: 2, outcome: 'unknown', upstreamKey: 'b' },
        { seq: 1, outcome: 'rejected' },
      ],
      'b',
    ],
    ['nothing another call has done', [{ call: 1, outcome: 'unknown' }], null],
  ])('%s', (_, attempts, key) => {
    expect(onlyKeyFor({ attempts: attempts.map(attempt) }, 0, ['a', 'b'])).toBe(key);
  });
});
