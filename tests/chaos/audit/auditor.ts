// Compares the books of a run: the upstream's ledger, the attempts, the records, the bytes in storage, and what callers,
// followers and the receiver wrote down. Pure; a run is good when there is no violation.
import { auditCosts } from './audit-costs.ts';
import { auditEvents } from './audit-events.ts';
import { auditPromises } from './audit-promises.ts';
import { auditPurchases } from './audit-purchases.ts';
import { auditRepeats } from './audit-repeats.ts';
import { auditStorage } from './audit-storage.ts';
import type { Books, Findings, Violation } from './books.ts';

export function audit(books: Books): Findings {
  const parts = [auditPromises, auditPurchases, auditRepeats, auditStorage, auditCosts, auditEvents].map((part) =>
    part(books),
  );
  return {
    figures: Object.assign({}, ...parts.map(({ figures }) => figures)) as Findings['figures'],
    violations: [...parts.flatMap(({ violations }) => violations), ...problemsOf(books)],
  };
}

function problemsOf({ system }: Books): Violation[] {
  return system.problems.map(({ kind, count, first }) => ({
    kind: 'npm run audit finds a problem',
    jobId: null,
    message: `${count} × ${kind}, first ${first}`,
  }));
}
