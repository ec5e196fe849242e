// Everything that may be wrong with one job, its books given. Pure.
import { compareJobAttempts } from './compare-job-attempts.ts';
import { compareJobImages } from './compare-job-images.ts';
import { compareJobLists } from './compare-job-lists.ts';
import { compareJobState } from './compare-job-state.ts';
import type { Finding } from './findings.ts';
import type { JobBooks } from './job-books.ts';

/** How long things may take; ms. */
export interface JobTimes {
  readonly now: number;
  readonly callTimeoutMs: number;
  readonly lockMs: number;
}

export function compareJob(books: JobBooks, times: JobTimes): Finding[] {
  return [
    ...compareJobImages(books),
    ...compareJobState(books),
    ...compareJobAttempts(books, times),
    ...compareJobLists(books, times),
  ];
}
