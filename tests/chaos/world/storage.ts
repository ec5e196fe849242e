// The image storage of a run: the S3 simulator or a folder, how to take it away, and what lies in it.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { type S3Process, startS3Process } from '../../support/s3.ts';
import type { Env } from './service-process.ts';

export interface StoredObject {
  /** As Darkroom names it: `images/default/job_…/0.png`. */
  readonly key: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Storage {
  readonly kind: 's3' | 'disk';
  /** Null on disk. */
  readonly s3: S3Process | null;
  /** Straight to it, past all proxies. */
  readonly env: Env;
  /** For the process whose S3 proxy listens on a port. */
  envFor(s3Port: number): Env;
  /** Nothing can be written or read until `back`. */
  away(): Promise<void>;
  back(): Promise<void>;
  objects(): Promise<StoredObject[]>;
  stop(): Promise<void>;
}

export async function openStorage(kind: 's3' | 'disk', directory: string): Promise<Storage> {
  return kind === 's3' ? openS3() : openDisk(join(directory, 'images'));
}

async function openS3(): Promise<Storage> {
  const s3 = await startS3Process();
  const root = new URL(s3.env['STORAGE_URL'] ?? '').pathname.slice(1);
  return {
    kind: 's3',
    s3,
    env: s3.env,
    envFor: (port) => ({ ...s3.env, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}` }),
    away: () => s3.fault({ kind: 'status', params: { status: 503 } }),
    back: () => s3.clearFaults(),
    async objects() {
      const reply = await fetch(`${s3.env['AWS_ENDPOINT_URL_S3']}/_sim/objects`);
      const { objects } = (await reply.json()) as { objects: StoredObject[] };
      return objects.map(({ key, bytes, sha256 }) => ({ key: key.slice(root.length + 1), bytes, sha256 }));
    },
    stop: () => s3.stop(),
  };
}

/** While a file lies where the folder was, nobody can make a new one. */
function openDisk(folder: string): Promise<Storage> {
  mkdirSync(folder, { recursive: true });
  const aside = `${folder}-away`;
  const env = { STORAGE_URL: `file:${folder}` };
  return Promise.resolve({
    kind: 'disk',
    s3: null,
    env,
    envFor: () => env,
    away() {
      if (!existsSync(aside)) renameSync(folder, aside);
      writeFileSync(folder, '');
      return Promise.resolve();
    },
    back() {
      if (!existsSync(aside)) return Promise.resolve();
      rmSync(folder);
      renameSync(aside, folder);
      return Promise.resolve();
    },
    objects: () => objectsIn(folder),
    stop: () => Promise.resolve(),
  });
}

async function objectsIn(folder: string): Promise<StoredObject[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(
    files.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      const bytes = await readFile(path);
      return {
        key: relative(folder, path).split(sep).join('/'),
        bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      };
    }),
  );
}
