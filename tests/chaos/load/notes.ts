// What callers wrote down for themselves: what they asked for, what they were promised, what they were given.
import type { PlannedBatch, PlannedJob } from './planned-jobs.ts';

export interface CallerNote {
  readonly job: PlannedJob;
  readonly startedAt: number;
  endedAt: number | null;
  /** The job's id of every reply that named one: a promise. */
  readonly jobIds: string[];
  /** Of the last reply; null when there was none after all of the SDK's tries. */
  status: number | null;
  /** Of the last error. */
  code: string | null;
  /** Of sync clients: the sha256 of each image given, null before the reply. */
  images: readonly string[] | null;
  hasCancelled: boolean;
  hasRetried: boolean;
}

export interface BatchNote {
  readonly batch: PlannedBatch;
  batchId: string | null;
}

/** An event as a stream or a webhook told it. */
export interface HeardEvent {
  /** `evt_…` */
  readonly id: string;
  readonly type: string;
  /** The job or batch. */
  readonly subject: string;
  readonly sequence: number;
  /** What may happen once only (an image), or once in each run (`end`); null for anything else. */
  readonly once: string | null;
  /** Indexes of images it says are paid for and lost. */
  readonly lost: readonly number[];
}

export function openNote(job: PlannedJob): CallerNote {
  return {
    job,
    startedAt: Date.now(),
    endedAt: null,
    jobIds: [],
    status: null,
    code: null,
    images: null,
    hasCancelled: false,
    hasRetried: false,
  };
}
