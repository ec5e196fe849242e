// Makes and reads the ids callers see. Ids of one process rise with time; an image's id is fixed by its job and index,
// so it can be looked up without an index of its own and a repeated store can never make a second one.
import { randomFillSync } from 'node:crypto';
import { monotonicFactory } from 'ulid';

/** Random bytes by the pool: asked one by one they took 5 % of an API process at 2,600 jobs a second. */
const pool = new Uint8Array(1_024);
let used = pool.length;

/** 0 to under 1, in steps of 1/256: ulid takes five bits of it. */
function random(): number {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const byte = pool[used] ?? 0;
  used += 1;
  return byte / 256;
}

const nextUlid = monotonicFactory(random);
const BATCH_ID = /^batch_[0-9a-z]{26}$/;
const JOB_ID = /^job_[0-9a-z]{26}(?:-\d{1,5})?$/;
const EVENT_ID = /^evt_[0-9a-z]{26}(?:-\d{1,5})?_\d{1,9}$/;
const FILE_ID = /^file-[0-9a-z]{26}(?:-[0-9a-z-]{1,40})?$/;
const IMAGE_ID = /^img_([0-9a-z]{26}(?:-\d{1,5})?)_(\d{1,4})$/;

export function newJobId(): string {
  return `job_${nextUlid().toLowerCase()}`;
}

export function newBatchId(): string {
  return `batch_${nextUlid().toLowerCase()}`;
}

export function isBatchId(text: string): boolean {
  return BATCH_ID.test(text);
}

/** The job of a batch's line (counted from 1): fixed, so that feeding a line twice makes one job. */
export function batchJobIdOf(batchId: string, line: number): string {
  return `job_${batchId.slice('batch_'.length)}-${line}`;
}

/** The output or error file of one run of a batch. */
export function batchFileIdOf(batchId: string, kind: 'output' | 'errors', run: number): string {
  const id = `file-${batchId.slice('batch_'.length)}-${kind}`;
  return run === 1 ? id : `${id}-r${run}`;
}

export function newRequestId(): string {
  return `req_${nextUlid().toLowerCase()}`;
}

/** With a hyphen, as OpenAI's ids of files have. A file made for something else may carry a suffix: `file-…-output`. */
export function newFileId(): string {
  return `file-${nextUlid().toLowerCase()}`;
}

export function isFileId(text: string): boolean {
  return FILE_ID.test(text);
}

export function isJobId(text: string): boolean {
  return JOB_ID.test(text);
}

export function imageIdOf(jobId: string, index: number): string {
  return `img_${jobId.slice('job_'.length)}_${index}`;
}

/** The id of a job's or batch's event: fixed, so that a stream and a webhook name it alike. `sequence` counts from 1. */
export function eventIdOf(subjectId: string, sequence: number): string {
  return `evt_${subjectId.replace(/^(job|batch)_/, '')}_${sequence}`;
}

/** The job and index an image id names, or null when it is not an image id. */
export function parseImageId(id: string): { jobId: string; index: number } | null {
  const match = IMAGE_ID.exec(id);
  return match ? { jobId: `job_${match[1]}`, index: Number(match[2]) } : null;
}

export function isEventId(text: string): boolean {
  return EVENT_ID.test(text);
}

/** The queue item of one call in one run; BullMQ ids must not hold `:`. */
export function itemIdOf(jobId: string, call: number, run: number): string {
  return run === 1 ? `${jobId}-c${call}` : `${jobId}-c${call}-r${run}`;
}
