// A file as it lies in Redis, and the form OpenAI gives it. Reads and writes nothing.
import { toUnixSeconds } from '../base/units.ts';

/** `batch`: lines a caller sent · `batch_output`: lines we wrote, results and errors alike · `vision`: an image to work from. */
export type FilePurpose = 'batch' | 'batch_output' | 'vision';
export const FILE_PURPOSES: readonly FilePurpose[] = ['batch', 'batch_output', 'vision'];

export interface FileRecord {
  readonly id: string;
  readonly account: string;
  readonly purpose: FilePurpose;
  /** What the caller calls it; shown, never used to find anything. */
  readonly filename: string;
  readonly bytes: number;
  /** Unix ms. */
  readonly createdAt: number;
  /** Where the bytes are in storage. */
  readonly key: string;
  readonly contentType: string;
  /** Of the bytes, hex. */
  readonly sha256: string;
  /** Unix ms; null = never. */
  readonly expiresAt: number | null;
}

/** The fields of the hash, all text. */
export function toFileHash(record: FileRecord): Record<string, string> {
  return {
    id: record.id,
    account: record.account,
    purpose: record.purpose,
    filename: record.filename,
    bytes: String(record.bytes),
    createdAt: String(record.createdAt),
    key: record.key,
    contentType: record.contentType,
    sha256: record.sha256,
    expiresAt: record.expiresAt === null ? '' : String(record.expiresAt),
  };
}

/** null when there is no such file. Throws TypeError for a hash that was not written by `toFileHash`. */
export function toFileRecord(hash: Readonly<Record<string, string>>): FileRecord | null {
  if (hash['id'] === undefined) return null;
  const text = (name: keyof FileRecord): string => {
    const value = hash[name];
    if (value === undefined) throw new TypeError(`the record of file ${hash['id']} has no ${name}`);
    return value;
  };
  const purpose = FILE_PURPOSES.find((known) => known === text('purpose'));
  if (purpose === undefined) throw new TypeError(`file ${hash['id']} has the unknown purpose ${hash['purpose']}`);
  return {
    id: text('id'),
    account: text('account'),
    purpose,
    filename: text('filename'),
    bytes: Number(text('bytes')),
    createdAt: Number(text('createdAt')),
    key: text('key'),
    contentType: text('contentType'),
    sha256: text('sha256'),
    expiresAt: text('expiresAt') === '' ? null : Number(text('expiresAt')),
  };
}

export interface PublicFile {
  readonly id: string;
  readonly object: 'file';
  readonly bytes: number;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly filename: string;
  readonly purpose: FilePurpose;
  readonly status: 'processed';
}

/** OpenAI's file object. `status` is always `processed`: a file is whole before it has a record. */
export function toPublicFile(record: FileRecord): PublicFile {
  return {
    id: record.id,
    object: 'file',
    bytes: record.bytes,
    created_at: Math.floor(record.createdAt / 1_000),
    expires_at: toUnixSeconds(record.expiresAt),
    filename: record.filename,
    purpose: record.purpose,
    status: 'processed',
  };
}
