// Makes and reads the ids callers see. Ids of one process rise with time; an image's id is fixed by its job and index,
// so it can be looked up without an index of its own and a repeated store can never make a second one.
import { monotonicFactory } from 'ulid';

const nextUlid = monotonicFactory();
const JOB_ID = /^job_[0-9a-z]{26}(?:-\d{1,5})?$/;
const IMAGE_ID = /^img_([0-9a-z]{26}(?:-\d{1,5})?)_(\d{1,4})$/;

export function newJobId(): string {
  return `job_${nextUlid().toLowerCase()}`;
}

export function newRequestId(): string {
  return `req_${nextUlid().toLowerCase()}`;
}

export function isJobId(text: string): boolean {
  return JOB_ID.test(text);
}

export function imageIdOf(jobId: string, index: number): string {
  return `img_${jobId.slice('job_'.length)}_${index}`;
}

/** The job and index an image id names, or null when it is not an image id. */
export function parseImageId(id: string): { jobId: string; index: number } | null {
  const match = IMAGE_ID.exec(id);
  return match ? { jobId: `job_${match[1]}`, index: Number(match[2]) } : null;
}

/** The queue item of one call in one run; BullMQ ids must not hold `:`. */
export function itemIdOf(jobId: string, call: number, run: number): string {
  return run === 1 ? `${jobId}-c${call}` : `${jobId}-c${call}-r${run}`;
}
