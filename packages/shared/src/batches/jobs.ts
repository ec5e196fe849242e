// The jobs of a batch, by line: their ids follow from the batch's, so no index is needed.

import type { Redis } from 'ioredis';
import { batchJobIdOf } from '../base/ids.ts';
import type { Keys } from '../base/keys.ts';
import type { JobRecord } from '../jobs/record.ts';
import { leaveOutUnreadable, type OnUnreadable, readJobs } from '../jobs/store.ts';
import type { BatchRecord } from './record.ts';

export interface BatchJobPage {
  readonly jobs: readonly JobRecord[];
  readonly hasMore: boolean;
}

const CHUNK = 200;

/** Jobs in the order of the input's lines. `after`: a job's id; null = from the first line. */
export async function listBatchJobs(
  redis: Redis,
  keys: Keys,
  batch: BatchRecord,
  limit: number,
  after: string | null,
  onUnreadable: OnUnreadable,
): Promise<BatchJobPage> {
  const jobs: JobRecord[] = [];
  const first = after === null ? 1 : lineOf(after) + 1;
  for (let line = first; line <= batch.reachedLine; line += CHUNK) {
    const count = Math.min(CHUNK, batch.reachedLine - line + 1);
    const ids = Array.from({ length: count }, (_, index) => batchJobIdOf(batch.id, line + index));
    for (const job of leaveOutUnreadable(await readJobs(redis, keys, ids), onUnreadable)) {
      if (job === null) continue;
      if (jobs.length === limit) return { jobs, hasMore: true };
      jobs.push(job);
    }
  }
  return { jobs, hasMore: false };
}

/** The line a batch's job stands for; 0 when the id is not one of a batch. */
function lineOf(jobId: string): number {
  return Number(/-(\d+)$/.exec(jobId)?.[1] ?? 0);
}
