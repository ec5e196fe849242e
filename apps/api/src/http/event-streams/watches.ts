// What streams can follow: a job, a batch, a whole account.

import { toPublicBatch } from '@darkroom/shared/batches/public-batch.ts';
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import { hasBatchEnded } from '@darkroom/shared/batches/record.ts';
import { BEGINNING } from '@darkroom/shared/jobs/event-log.ts';
import { toThinJob } from '@darkroom/shared/jobs/public-event.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import { listJobs, readJob } from '@darkroom/shared/jobs/store.ts';
import type { Deps } from '../../deps.ts';
import type { JobReplies } from '../job-reply.ts';
import { reportUnreadable } from '../list-reply.ts';
import type { EventFilter } from './event-filter.ts';
import type { Watch } from './event-streams.ts';
import type { Subject } from './start.ts';

type ShowAll = JobReplies['showAll'];

/** Jobs in the snapshot of an account. */
export const SNAPSHOT_JOBS = 20;

/** One job until it ends. `find` throws when the account has no such job. */
export function watchJob(jobId: string, find: () => Promise<JobRecord>, showAll: ShowAll): Watch {
  return {
    filter: { jobId },
    read: async () => toJobSubject(await find(), showAll),
    isLast: ({ isEnd }) => isEnd,
  };
}

function toJobSubject(record: JobRecord, showAll: ShowAll): Subject {
  const { id, status, run, sequence, lastEvent, spec } = record;
  const end = {
    id: lastEvent ?? BEGINNING,
    type: `job.${status}`,
    jobId: id,
    batchId: spec.batchId,
    status,
    run,
    sequence,
  };
  return {
    lastEvent: lastEvent ?? BEGINNING,
    sequence,
    end: hasEnded(record) ? { ...end, image: null } : null,
    snapshot: async () => (await showAll([record])).map(toThinJob)[0],
  };
}

/** A batch and its jobs until the batch ends. `find` throws when the account has no such batch. */
export function watchBatch(batchId: string, find: () => Promise<BatchRecord>): Watch {
  return {
    filter: { batchId },
    read: async () => toBatchSubject(await find()),
    isLast: ({ isEnd, entry }) => isEnd && entry.jobId === null,
  };
}

function toBatchSubject(record: BatchRecord): Subject {
  const { id, status, run, sequence, lastEvent } = record;
  const end = { id: lastEvent ?? BEGINNING, type: `batch.${status}`, jobId: null, batchId: id, status, run, sequence };
  return {
    lastEvent: null,
    sequence,
    end: hasBatchEnded(record) ? { ...end, image: null } : null,
    snapshot: async () => toPublicBatch(record, Date.now()),
  };
}

/** All jobs and batches of an account, without end. The snapshot holds its newest jobs. */
export function watchAccount(
  { redis, keys, logger }: Pick<Deps, 'redis' | 'keys' | 'logger'>,
  account: string,
  filter: EventFilter,
  showAll: ShowAll,
): Watch {
  const newestJobs = async (): Promise<{ jobs: readonly JobRecord[]; hasMore: boolean }> => {
    if (filter.jobId !== undefined) {
      const record = await readJob(redis, keys, filter.jobId);
      return { jobs: record !== null && record.spec.account === account ? [record] : [], hasMore: false };
    }
    const { batchId, metadata = {} } = filter;
    const wanted = { metadata, ...(batchId === undefined ? {} : { batchId }) };
    const query = { filter: wanted, limit: SNAPSHOT_JOBS, order: 'desc', after: null } as const;
    return listJobs(redis, keys, account, query, reportUnreadable(logger));
  };
  const snapshot = async () => {
    const { jobs, hasMore } = await newestJobs();
    return { object: 'list', data: (await showAll(jobs)).map(toThinJob), has_more: hasMore };
  };
  return {
    filter,
    read: async () => ({ lastEvent: null, sequence: null, end: null, snapshot }),
    isLast: () => false,
  };
}
