// Makes, finds and deletes files: bytes in storage, a record in Redis. The bytes are there before the record is and stay
// until after it is gone, so a file that is listed can be read. Vision files are references to input images, whose bytes
// are the affair of `inputs/`: many files and jobs may share them.
import type { ChainableCommander, Redis } from 'ioredis';
import { isFileId, newFileId } from '../base/ids.ts';
import type { Keys } from '../base/keys.ts';
import { fileKey, inputKey } from '../images/keys.ts';
import type { ImageStore } from '../images/store.ts';
import type { HeldInput, InputDesk } from '../inputs/desk.ts';
import { type FilePurpose, type FileRecord, toFileHash, toFileRecord } from './file-record.ts';

export interface FileDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly store: ImageStore;
}

export interface NewFile {
  readonly account: string;
  readonly purpose: Exclude<FilePurpose, 'vision'>;
  readonly filename: string;
  readonly contentType: string;
  readonly body: AsyncIterable<Uint8Array>;
  readonly maxBytes: number;
  /** Fixed: making the file again replaces it. Absent: a new one. */
  readonly id?: string;
  /** Stops it; nothing is stored then. */
  readonly signal?: AbortSignal;
}

/**
 * Streams the body to storage, then records the file in one step. Throws what the body throws, `request_too_large` past
 * `maxBytes`, and StorageError; then there is neither record nor bytes. When Redis fails after the bytes are stored, they
 * stay without a record: whether the step was done is not known then, and a record without bytes would be worse.
 */
export async function createFile(deps: FileDeps, file: NewFile): Promise<FileRecord> {
  const { account, purpose, filename, contentType, body, maxBytes, signal, id = newFileId() } = file;
  const key = fileKey(account, id);
  const options = { contentType, maxBytes, metadata: { 'file-id': id, purpose }, ...(signal && { signal }) };
  const { bytes, sha256 } = await deps.store.putStream(key, body, options);
  const record: FileRecord = {
    id,
    account,
    purpose,
    filename,
    bytes,
    createdAt: Date.now(),
    key,
    contentType,
    sha256,
    expiresAt: null,
  };
  await atOnce(deps.redis, (step) => addRecord(step, deps.keys, record));
  return record;
}

export interface NewVisionFile {
  readonly account: string;
  readonly filename: string;
  readonly held: HeldInput;
}

/** How long an image is kept without the file, which follows at once. */
const KEPT_WITHOUT_FILE_MS = 3_600_000;

/** Stores an input image and records the file that holds it from then on. Throws StorageError; then there is no file. */
export async function createVisionFile(
  { redis, keys, desk }: Pick<FileDeps, 'redis' | 'keys'> & { readonly desk: InputDesk },
  { account, filename, held }: NewVisionFile,
): Promise<FileRecord> {
  const createdAt = Date.now();
  await desk.keep(account, [held], createdAt + KEPT_WITHOUT_FILE_MS);
  const { bytes, contentType, sha256 } = held.facts;
  const record: FileRecord = {
    id: newFileId(),
    account,
    purpose: 'vision',
    filename,
    bytes,
    createdAt,
    key: inputKey(account, sha256),
    contentType,
    sha256,
    expiresAt: null,
  };
  await atOnce(redis, (step) => {
    addRecord(step, keys, record);
    step.sadd(keys.inputFiles(account, sha256), record.id);
  });
  return record;
}

/** null when there is none, when it is another account's, or when `id` is no id of a file. */
export async function readFile(
  { redis, keys }: Pick<FileDeps, 'redis' | 'keys'>,
  account: string,
  id: string,
): Promise<FileRecord | null> {
  if (!isFileId(id)) return null;
  const record = toFileRecord(await redis.hgetall(keys.file(id)));
  return record?.account === account ? record : null;
}

/**
 * Whether there was such a file of this account. A reader under way may or may not reach the end of it. The bytes of a
 * vision file go with the next sweep that finds nobody who needs them.
 */
export async function deleteFile(deps: FileDeps, account: string, id: string): Promise<boolean> {
  const record = await readFile(deps, account, id);
  if (record === null) return false;
  await atOnce(deps.redis, (step) => {
    step.del(deps.keys.file(id));
    for (const index of indexesOf(deps.keys, record)) step.zrem(index, id);
    if (record.purpose === 'vision') letInputGo(step, deps.keys, record);
  });
  if (record.purpose !== 'vision') await deps.store.delete(record.key);
  return true;
}

/** A sweep looks at the image now, unless a job keeps it longer. */
function letInputGo(step: ChainableCommander, keys: Keys, { account, sha256, id }: FileRecord): void {
  step.srem(keys.inputFiles(account, sha256), id);
  step.zadd(keys.inputs, 'GT', Date.now(), `${account}/${sha256}`);
}

function addRecord(step: ChainableCommander, keys: Keys, record: FileRecord): void {
  step.hset(keys.file(record.id), toFileHash(record));
  for (const index of indexesOf(keys, record)) step.zadd(index, record.createdAt, record.id);
}

/** The lists a file stands in. */
function indexesOf(keys: Keys, { account, purpose }: FileRecord): string[] {
  return [keys.accountFiles(account), keys.accountFiles(account, purpose)];
}

/** All or nothing; throws the first error. */
async function atOnce(redis: Redis, fill: (step: ChainableCommander) => void): Promise<void> {
  const step = redis.multi();
  fill(step);
  for (const [error] of (await step.exec()) ?? []) if (error) throw error;
}
