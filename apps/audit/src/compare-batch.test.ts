import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { describe, expect, test } from 'vitest';
import { addToTally, type BatchBooks, compareBatch, emptyTally } from './compare-batch.ts';

const RECORD = {
  id: 'batch_a',
  run: 1,
  status: 'in_progress',
  submitted: 3,
  completed: 1,
  failed: 2,
  images: 1,
  costMicroUsd: 7,
  inputTokens: 2,
  outputTokens: 3,
} as BatchRecord;

function job(id: string, status: JobRecord['status'], images: number, attempts: readonly object[] = []): JobRecord {
  return {
    id,
    status,
    images: new Map(Array.from({ length: images }, (_, at) => [at, {}])),
    attempts,
  } as unknown as JobRecord;
}

function booksOf(changes: Partial<BatchRecord> = {}): BatchBooks {
  const tally = emptyTally();
  const paid = { outcome: 'succeeded', costMicroUsd: 7, inputTokens: 2, outputTokens: 3 };
  const open = { outcome: null, costMicroUsd: 100 };
  addToTally(tally, job('job_a-1', 'completed', 1, [paid, { outcome: 'rejected' }]));
  addToTally(tally, job('job_a-2', 'failed', 0));
  addToTally(tally, job('job_a-3', 'in_progress', 0, [open]));
  return { record: { ...RECORD, ...changes }, tally, members: new Set(['job_a-3']), refused: 1 };
}

const detailsOf = (books: BatchBooks): string[] => compareBatch(books).map(({ kind, detail }) => `${kind}: ${detail}`);

describe('a batch', () => {
  test('whose jobs bear out what it says has nothing wrong; open attempts and refused lines are reckoned with', () => {
    expect(detailsOf(booksOf())).toEqual([]);
  });

  test.each([
    [{ submitted: 2 }, 'batch_counts: submitted is 2, its jobs say 3'],
    [{ completed: 0 }, 'batch_counts: completed is 0, its jobs say 1'],
    [{ failed: 1 }, 'batch_counts: failed is 1, its jobs say 2'],
    [{ images: 4 }, 'batch_counts: images is 4, its jobs say 1'],
    [{ costMicroUsd: 8 }, 'batch_cost: cost, micro-USD, is 8, its jobs say 7'],
    [{ costMicroUsd: null }, 'batch_cost: is unknown'],
    [{ inputTokens: 0 }, 'batch_cost: input tokens is 0, its jobs say 2'],
    [{ outputTokens: 0 }, 'batch_cost: output tokens is 0, its jobs say 3'],
  ] as const)('with %j is found', (changes, detail) => {
    expect(detailsOf(booksOf(changes))).toEqual([detail]);
  });

  test('that has ended, or runs again, is not asked which lines failed', () => {
    expect(detailsOf(booksOf({ status: 'completed', failed: 9 }))).toEqual([]);
    expect(detailsOf(booksOf({ run: 2, failed: 0 }))).toEqual([]);
  });

  test('must hold those of its jobs that are open, and no other', () => {
    expect(detailsOf({ ...booksOf(), members: new Set(['job_a-1']) })).toEqual([
      'batch_members: job_a-1 has ended',
      'batch_members: job_a-3 is missing',
    ]);
  });

  test('with a job of unknown price may not know its cost', () => {
    const books = booksOf();
    addToTally(books.tally, job('job_a-4', 'completed', 0, [{ outcome: 'succeeded', costMicroUsd: null }]));
    expect(
      detailsOf({ ...books, record: { ...books.record, submitted: 4, failed: 2, completed: 1 }, refused: 0 }),
    ).toEqual(['batch_cost: is known, though a price is not']);
  });
});
