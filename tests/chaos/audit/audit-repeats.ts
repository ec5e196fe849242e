// Who may have been paid for a call is not asked again where that is forbidden: a job with `on_unknown: fail` buys nothing a
// second time in one run, and after a request that was billed the next one is not made with another upstream key, unless
// the first key has surely refused the repeat, or was not to be reached for it.
import type { Books, Findings, JobBook, Violation } from './books.ts';
import { type Purchase, purchasesOf } from './purchases.ts';

export function auditRepeats(books: Books): Findings {
  // Without a prompt of its own a purchase may be another job's.
  const purchases = purchasesOf(books).filter(
    ({ attempt, job }) => attempt !== null && job?.job.input['prompt'] !== undefined,
  );
  const byCall = Map.groupBy(purchases, ({ attempt, job }) => `${job?.job.id} ${attempt?.call}`);
  const calls = [...byCall.values()].map((same) => same.toSorted((a, b) => a.request.at - b.request.at));
  const failing = new Set(books.notes.filter(({ job }) => job.envelope['on_unknown'] === 'fail').flatMap(idsOf));
  const refused = calls.flatMap((same) => sameRunTwice(same.filter(({ job }) => failing.has(job?.job.id ?? ''))));
  const elsewhere = calls.flatMap(boughtElsewhere);
  const ended = books.jobs.filter(({ job }) => failing.has(job.id));
  return {
    figures: {
      'jobs that forbid a second purchase': ended.length,
      '  with a call that was not repeated': ended.filter(hasUnknown).length,
      '  bought twice all the same': refused.length,
      'bought again with another upstream key': elsewhere.length,
    },
    violations: [
      ...refused.map(toViolation('bought twice, though on_unknown is fail')),
      ...elsewhere.map(toViolation('bought again with another upstream key')),
    ],
  };
}

function idsOf({ jobIds }: Books['notes'][number]): readonly string[] {
  return jobIds;
}

function hasUnknown({ attempts }: JobBook): boolean {
  return attempts.some(({ outcome }) => outcome === 'unknown');
}

/** Those that were billed before another one of the same run. */
function sameRunTwice(calls: readonly Purchase[]): Purchase[] {
  return calls.filter(
    ({ attempt, images }, at) =>
      images.length > 0 && calls.slice(at + 1).some((later) => later.attempt?.run === attempt?.run),
  );
}

/** Another key is asked next, though this one has been billed. */
function boughtElsewhere(calls: readonly Purchase[]): Purchase[] {
  return calls.filter(({ request, images }, at) => {
    const next = calls[at + 1];
    return images.length > 0 && next !== undefined && next.request.key !== request.key && !wasRefusedBefore(next);
  });
}

/** The attempt right before it cost nothing: no ledger has it when it was not even sent. */
function wasRefusedBefore({ job, attempt }: Purchase): boolean {
  const before = job?.attempts.findLast(({ call, seq }) => call === attempt?.call && seq < attempt.seq);
  return before?.outcome === 'rejected' || before?.code === 'upstream_unreachable';
}

function toViolation(kind: string) {
  return ({ job, attempt, request }: Purchase): Violation => ({
    kind,
    jobId: job?.job.id ?? null,
    message: `call ${attempt?.call}, first bought with ${JSON.stringify(request)}\n    ${JSON.stringify(job?.attempts)}`,
  });
}
