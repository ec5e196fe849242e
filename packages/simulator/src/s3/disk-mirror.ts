/** Keeps a copy of every object on disk, so that a simulator started again still has them. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredObject } from './object-store.ts';

/** Everything of an object but its bytes. */
type Described = Omit<StoredObject, 'data' | 'lastModified'> & { lastModified: string };

export class DiskMirror {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  load(): { bucket: string; object: StoredObject }[] {
    if (!existsSync(this.#directory)) return [];
    return readdirSync(this.#directory).flatMap((bucket) =>
      readdirSync(join(this.#directory, bucket))
        .filter((name) => name.endsWith('.json'))
        .map((name) => ({ bucket, object: this.#read(join(this.#directory, bucket, name)) })),
    );
  }

  write(bucket: string, object: StoredObject): void {
    mkdirSync(join(this.#directory, bucket), { recursive: true });
    const { data, ...described } = object;
    writeFileSync(`${this.#path(bucket, object.key)}.bin`, data);
    writeFileSync(`${this.#path(bucket, object.key)}.json`, JSON.stringify(described));
  }

  remove(bucket: string, key: string): void {
    rmSync(`${this.#path(bucket, key)}.json`, { force: true });
    rmSync(`${this.#path(bucket, key)}.bin`, { force: true });
  }

  #read(path: string): StoredObject {
    const described = JSON.parse(readFileSync(path, 'utf8')) as Described;
    const data = readFileSync(path.replace(/\.json$/, '.bin'));
    return { ...described, data, lastModified: new Date(described.lastModified) };
  }

  /** Keys may hold anything, so files are named by their hash. */
  #path(bucket: string, key: string): string {
    return join(this.#directory, bucket, createHash('sha256').update(key).digest('hex'));
  }
}
