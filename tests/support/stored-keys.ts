// What lies in a stack's storage, by key, on disk and on S3 alike.
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { S3Process } from './s3.ts';

/** Keys that start with `prefix` (`inputs/`), sorted. `directory`: of the stack; `s3`: null when it stores on disk. */
export async function storedKeys(directory: string, s3: S3Process | null, prefix: string): Promise<string[]> {
  const keys = s3 === null ? await keysOnDisk(join(directory, 'images')) : await keysOnS3(s3);
  return keys.filter((key) => key.startsWith(prefix)).toSorted();
}

async function keysOnS3(s3: S3Process): Promise<string[]> {
  const root = new URL(s3.env['STORAGE_URL'] ?? '').pathname.slice(1);
  return (await s3.keys()).filter((key) => key.startsWith(`${root}/`)).map((key) => key.slice(root.length + 1));
}

async function keysOnDisk(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
}
