// Where things lie in storage. Keys are made here from checked parts, never taken from callers. They hold ASCII letters,
// digits, `_`, `-`, `.` and `/` alone, so they mean the same on every file system and in every S3-compatible store.

import { isFileId } from '../base/ids.ts';

/** OpenAI's `output_format` values. */
export type ImageFormat = 'png' | 'jpeg' | 'webp' | 'gif' | 'svg';

/** Which image: its job, its place in the job, and the format that was asked for (not the one that came). */
export interface ImagePlace {
  readonly account: string;
  readonly jobId: string;
  readonly index: number;
  readonly outputFormat: ImageFormat;
}

const EXTENSIONS: Readonly<Record<ImageFormat, string>> = {
  png: 'png',
  jpeg: 'jpg',
  webp: 'webp',
  gif: 'gif',
  svg: 'svg',
};

const ACCOUNT = /^[A-Za-z0-9_-]{1,64}$/;
const JOB_ID = /^[A-Za-z0-9_-]{1,80}$/;
/** One folder or file name; 200 leaves room for the endings a store adds under the usual limit of 255 bytes. */
const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/;
const MAX_KEY_LENGTH = 512;
const MAX_INDEX = 9_999;

/** The folder that holds everything of one job's images; ends with `/`, for `list`. */
export function jobPrefix(account: string, jobId: string): string {
  if (!ACCOUNT.test(account)) throw new TypeError(`not an account name: ${JSON.stringify(account)}`);
  if (!JOB_ID.test(jobId)) throw new TypeError(`not a job id: ${JSON.stringify(jobId)}`);
  return `images/${account}/${jobId}/`;
}

function placeStem(account: string, jobId: string, index: number): string {
  if (!Number.isInteger(index) || index < 0 || index > MAX_INDEX) throw new TypeError(`not an image index: ${index}`);
  return `${jobPrefix(account, jobId)}${index}`;
}

/**
 * The key of a job's image. Fixed by job, index and the format asked for, so an image looked up before it is bought
 * again is found, and of several stored for one place the first stays. Throws TypeError for parts that are not ours.
 */
export function imageKey(account: string, jobId: string, index: number, format: ImageFormat): string {
  return `${placeStem(account, jobId, index)}.${EXTENSIONS[format]}`;
}

/** The key of the unscaled image when the one under `imageKey` was scaled down. */
export function originalKey(account: string, jobId: string, index: number, format: ImageFormat): string {
  return `${placeStem(account, jobId, index)}.original.${EXTENSIONS[format]}`;
}

/** The key of paid bytes that are no image we can read: kept for the operator, never served. */
export function unreadableKey(account: string, jobId: string, index: number): string {
  return `${placeStem(account, jobId, index)}.unreadable.bin`;
}

/** The key of the JSON beside an image: what was asked, of whom, what came, at what cost. */
export function provenanceKey(key: string): string {
  return `${key}.json`;
}

/**
 * The key of a caller's file, or of one made for a caller. Its name is not part of it. Throws TypeError for an account
 * or id that is not ours.
 */
export function fileKey(account: string, fileId: string): string {
  if (!ACCOUNT.test(account)) throw new TypeError(`not an account name: ${JSON.stringify(account)}`);
  if (!isFileId(fileId)) throw new TypeError(`not a file id: ${JSON.stringify(fileId.slice(0, 200))}`);
  return `files/${account}/${fileId}`;
}

const SHA256 = /^[0-9a-f]{64}$/;

/** The key of an input image: an account's bytes lie there once, whatever refers to them. Throws TypeError. */
export function inputKey(account: string, sha256: string): string {
  if (!ACCOUNT.test(account)) throw new TypeError(`not an account name: ${JSON.stringify(account)}`);
  if (!SHA256.test(sha256)) throw new TypeError(`not a SHA-256: ${JSON.stringify(sha256.slice(0, 200))}`);
  return `inputs/${account}/${sha256}`;
}

/** Whether a text may be a key of an object in storage. */
export function isKey(key: string): boolean {
  return key.length <= MAX_KEY_LENGTH && !key.includes('..') && key.split('/').every((part) => SEGMENT.test(part));
}

/** Throws TypeError for what may not be a key: `..`, `//`, a leading `/` or `.`, control characters, non-ASCII. */
export function assertKey(key: string): void {
  if (!isKey(key)) throw new TypeError(`not a storage key: ${JSON.stringify(key.slice(0, 200))}`);
}

/** Throws TypeError for what cannot be the start of a key. The empty text, which lists everything, is one. */
export function assertPrefix(prefix: string): void {
  if (prefix !== '' && !isKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix)) {
    throw new TypeError(`not a key prefix: ${JSON.stringify(prefix.slice(0, 200))}`);
  }
}
