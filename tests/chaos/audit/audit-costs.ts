// What a job says it has cost against what was billed in its name: never less in sum, never more than is known.
import type { Books, Findings, Violation } from './books.ts';
import { type Purchase, purchasesOf } from './purchases.ts';

/** A micro-dollar for each image. */
const ROUNDING_USD = 1e-6;

export function auditCosts(books: Books): Findings {
  const byJob = Map.groupBy(purchasesOf(books), ({ job }) => job);
  const violations: Violation[] = [];
  let told = 0;
  let possible = 0;
  for (const [book, purchases] of byJob) {
    if (book === null) continue;
    const { job } = book;
    const { cost_usd: cost, possible_extra_cost_usd: extra } = job.usage;
    told += cost ?? 0;
    possible += extra ?? 0;
    const billed = costOf(purchases);
    const room = ROUNDING_USD * (1 + purchases.reduce((sum, { images }) => sum + images.length, 0));
    const facts = `told ${cost} and possibly ${extra} more, billed ${billed}\n    ${JSON.stringify(book.attempts)}`;
    // Without a prompt of its own a purchase may be another job's.
    if (job.input['prompt'] === undefined) continue;
    if (cost !== null && extra !== null && cost + extra < billed - room)
      violations.push({ kind: 'cost too low', jobId: job.id, message: facts });
    if (cost !== null && cost > billed + room)
      violations.push({ kind: 'cost too high', jobId: job.id, message: facts });
  }
  const billed = books.ledger.images.reduce((sum, { costUsd }) => sum + costUsd, 0);
  return {
    figures: {
      'USD billed': round(billed),
      '  told': round(told),
      '  possibly more': round(possible),
      'wrong cost sums': violations.length,
    },
    violations,
  };
}

function costOf(purchases: readonly Purchase[]): number {
  return purchases.flatMap(({ images }) => images).reduce((sum, { costUsd }) => sum + costUsd, 0);
}

function round(usd: number): number {
  return Math.round(usd * 1e6) / 1e6;
}
