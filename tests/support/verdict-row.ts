// One row of the verdict table: a fault, and everything the contract promises of the job it meets.
import { expect } from 'vitest';
import type { Attempt, Job } from './api.ts';
import type { FaultOptions, Ledger } from './simulator.ts';
import type { TestStack } from './stack.ts';

export type Seen = readonly [outcome: Attempt['outcome'], status: number | null, code?: string | null];

export interface VerdictRow {
  readonly kind: string;
  readonly fault?: FaultOptions;
  readonly input?: Readonly<Record<string, unknown>>;
  readonly status: Job['status'];
  readonly code?: string | null;
  readonly attempts: readonly Seen[];
  /** Images the upstream was paid for. */
  readonly billed: number;
  /** Attempts whose money may be gone. */
  readonly unknown?: number;
}

/** Runs the row's job and checks everything the table promises of it. */
export async function checkVerdict(
  stack: TestStack,
  row: VerdictRow,
): Promise<{ job: Job; ledger: Ledger; attempts: Attempt[] }> {
  await stack.simulator.fault(row.kind, row.fault ?? {});
  const job = await stack.api.run(row.input);
  const attempts = await stack.api.attempts(job.id);
  const ledger = await stack.simulator.ledger();
  expect(attempts.map(({ outcome, status }) => [outcome, status])).toEqual(
    row.attempts.map(([outcome, status]) => [outcome, status]),
  );
  for (const [index, [, , code]] of row.attempts.entries()) {
    if (code !== undefined) expect(attempts[index]?.code).toBe(code);
  }
  expect(job.status).toBe(row.status);
  if (row.code !== undefined) expect(job.error?.code ?? null).toBe(row.code);
  expect(ledger.requests).toHaveLength(row.attempts.length);
  expect(ledger.images).toHaveLength(row.billed);
  const extra = job.usage.possible_extra_cost_usd ?? Number.NaN;
  if ((row.unknown ?? 0) > 0) expect(extra).toBeGreaterThan(0);
  else expect(extra).toBe(0);
  const known = attempts.filter(({ possible_extra_cost_usd: cost }) => cost !== null && cost > 0);
  expect(known).toHaveLength(row.unknown ?? 0);
  return { job, ledger, attempts };
}

/** What the caller is told was or may have been spent covers all that was. */
export function expectMoneyToAddUp({ job, ledger }: { job: Job; ledger: Ledger }): void {
  const paid = ledger.images.reduce((sum, image) => sum + image.costUsd, 0);
  const told = (job.usage.cost_usd ?? 0) + (job.usage.possible_extra_cost_usd ?? 0);
  expect(told).toBeGreaterThanOrEqual(paid - 1e-9);
}

export function plainError(status: number, code: string | null, type = 'invalid_request_error'): FaultOptions {
  return { params: { status, body: { error: { message: `says ${status}`, type, param: null, code } } } };
}
