// A job's attempts against its images: what was paid must be recorded, spooled or reported lost; what was paid twice must
// show why. Pure.
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { JobTimes } from './compare-job.ts';
import type { Finding } from './findings.ts';
import type { JobBooks } from './job-books.ts';

type Attempt = JobRecord['attempts'][number];

export function compareJobAttempts(books: Pick<JobBooks, 'record' | 'spooled'>, times: JobTimes): Finding[] {
  const { record } = books;
  return [
    ...record.attempts.flatMap((attempt) => findMissing(record, attempt)),
    ...findBoughtTwice(record),
    ...findStale(record, times),
    ...findWrongSpool(books, times),
  ];
}

function nameOf({ call, seq }: Attempt): string {
  return `attempt ${call}.${seq}`;
}

function isPaid({ outcome, costMicroUsd, answeredAt }: Attempt): boolean {
  return outcome === 'succeeded' || costMicroUsd !== undefined || answeredAt !== undefined;
}

/** A reply that came short lacks the last of the images asked for: they stand in the possible extra cost. */
function cameOf({ images, cameImages }: Attempt): readonly number[] {
  return images.slice(0, cameImages);
}

/** Images of a paid attempt that nobody has and nobody will get. */
function findMissing(record: JobRecord, attempt: Attempt): Finding[] {
  const call = record.calls[attempt.call];
  const isUnderWay = attempt.outcome === null || attempt.spooled !== undefined || call?.outcome === '';
  if (!isPaid(attempt) || isUnderWay) return [];
  const missing = cameOf(attempt).filter((index) => !record.images.has(index));
  const isReported = call?.outcome === 'failed' || attempt.code === 'worker_lost' || attempt.run < record.run;
  const kind = isReported ? 'paid_image_lost' : 'paid_image_missing';
  return missing.map((index) => ({ kind, subject: record.id, detail: `image ${index}, ${nameOf(attempt)}` }));
}

/** An attempt may be followed by another for the same image only when it shows why. */
function findBoughtTwice(record: JobRecord): Finding[] {
  const paid = record.attempts.filter((attempt) => attempt.costMicroUsd !== undefined).sort((a, b) => a.seq - b.seq);
  const indexes = record.spec.calls.flat();
  return indexes.flatMap((index): Finding[] => {
    const buyers = paid.filter(({ images }) => images.includes(index));
    return buyers.slice(1).map((later, at) => {
      const earlier = buyers[at];
      const isFlagged = earlier !== undefined && mayBeFollowed(earlier, later, index);
      const kind = isFlagged ? 'bought_twice_flagged' : 'bought_twice';
      return { kind, subject: record.id, detail: `image ${index}, ${nameOf(later)}` };
    });
  });
}

function mayBeFollowed(earlier: Attempt, later: Attempt, index: number): boolean {
  return (
    earlier.outcome === 'unknown' ||
    earlier.code === 'worker_lost' ||
    earlier.run < later.run ||
    !cameOf(earlier).includes(index)
  );
}

function findStale(record: JobRecord, { now, callTimeoutMs, lockMs }: JobTimes): Finding[] {
  return record.attempts
    .filter(
      ({ outcome, spooled, at }) => outcome === null && spooled === undefined && now - at > callTimeoutMs + lockMs,
    )
    .map((attempt) => ({ kind: 'attempt_stale', subject: record.id, detail: nameOf(attempt) }));
}

/** Whoever has the answer reports it lost when its time is over; a lock's time is left for that. */
function findWrongSpool({ record, spooled }: Pick<JobBooks, 'record' | 'spooled'>, times: JobTimes): Finding[] {
  return record.attempts.flatMap((attempt): Finding[] => {
    if (attempt.spooled === undefined) return [];
    const say = (what: string): Finding[] => [
      { kind: 'spool_books', subject: record.id, detail: `${nameOf(attempt)} ${what}` },
    ];
    if (!spooled.has(`${attempt.call} ${attempt.seq}`)) return say('is not on the list of spooled answers');
    return attempt.spooled.until + times.lockMs < times.now ? say('is past its time') : [];
  });
}
