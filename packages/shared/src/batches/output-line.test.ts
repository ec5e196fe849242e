import { expect, test } from 'vitest';
import { newJobId } from '../base/ids.ts';
import { toPublicJob } from '../jobs/public-job.ts';
import { type JobRecord, type StoredError, toNewRecord } from '../jobs/record.ts';
import { TEST_SPEC } from '../jobs/test-spec.ts';
import { toFailureLine } from './output-line.ts';
import type { BatchStatus } from './record.ts';

/** A job that ended so, with these errors of its calls. */
function lineOf(status: JobRecord['status'], errors: readonly StoredError[], ending: BatchStatus) {
  const record = toNewRecord(newJobId(), { ...TEST_SPEC, calls: errors.map((_, index) => [index]) }, 1);
  const calls = record.calls.map((call, index) => {
    const error = errors[index] ?? { code: null };
    const outcome = error.code === 'cancelled' || error.code === 'expired' ? 'withheld' : 'failed';
    return { ...call, outcome, error } as const;
  });
  const ended = { ...record, status, calls };
  const { response, error } = toFailureLine(
    ended,
    toPublicJob(ended, () => ({ url: '/', expiresAt: null })),
    ending,
  );
  const body = response?.body as { error: { code: string } } | undefined;
  return [response?.status_code ?? null, body?.error.code ?? error?.code];
}

const CANCELLED = { code: 'cancelled' };
const EXPIRED = { code: 'expired' };
const UNKNOWN = { code: 'outcome_unknown' };
const BLOCKED = { code: 'moderation_blocked', status: 400, message: 'Blocked.' };

test.each<[string, JobRecord['status'], StoredError[], BatchStatus, [number | null, string]]>([
  ['was not sent because its batch was cancelled', 'cancelled', [CANCELLED], 'cancelled', [null, 'batch_cancelled']],
  ['was not sent because its batch expired', 'expired', [EXPIRED, EXPIRED], 'expired', [null, 'batch_expired']],
  ['was cancelled for itself', 'cancelled', [CANCELLED], 'completed', [409, 'cancelled']],
  ['was over before its batch', 'expired', [EXPIRED], 'cancelled', [504, 'expired']],
  ['was sent, nobody knows how it ended', 'cancelled', [UNKNOWN], 'cancelled', [502, 'outcome_unknown']],
  ['was sent in part', 'cancelled', [CANCELLED, UNKNOWN], 'cancelled', [502, 'outcome_unknown']],
  ['was refused in part', 'expired', [EXPIRED, BLOCKED], 'expired', [400, 'moderation_blocked']],
  ['failed', 'failed', [BLOCKED], 'cancelled', [400, 'moderation_blocked']],
])('the line of a job that %s', (_, status, errors, ending, expected) => {
  expect(lineOf(status, errors, ending)).toEqual(expected);
});
