// What the upstream did and was paid for in the name of one prompt, or of one job. Tests that run side by side on one
// stack tell their books apart by these.
import type { LedgerImage, LedgerRequest } from './simulator.ts';
import type { TestStack } from './stack.ts';

export interface Books {
  readonly requests: readonly LedgerRequest[];
  readonly images: readonly LedgerImage[];
  readonly costUsd: number;
}

type Owner = Pick<TestStack, 'simulator' | 'api'>;

export async function booksOfPrompt({ simulator }: Pick<Owner, 'simulator'>, prompt: string): Promise<Books> {
  return books(simulator, (row) => row.prompt === prompt);
}

export async function booksOfJob({ simulator, api }: Owner, jobId: string): Promise<Books> {
  const ids = new Set((await api.attempts(jobId)).map((attempt) => attempt.upstream_request_id));
  return books(simulator, ({ id }) => ids.has(id));
}

async function books(simulator: Owner['simulator'], isTheirs: (row: LedgerRequest) => boolean): Promise<Books> {
  const ledger = await simulator.ledger();
  const requests = ledger.requests.filter(isTheirs);
  const ids = new Set(requests.map(({ id }) => id));
  const images = ledger.images.filter(({ requestId }) => ids.has(requestId));
  return { requests, images, costUsd: images.reduce((sum, image) => sum + image.costUsd, 0) };
}
