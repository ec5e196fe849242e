/** Buckets and their objects, in memory, and on disk as well if a directory is given. */
import { createHash } from 'node:crypto';
import type { DiskMirror } from './disk-mirror.ts';

export interface StoredObject {
  key: string;
  data: Buffer;
  etag: string;
  contentType: string;
  /** x-amz-meta-*, without the prefix. */
  metadata: Record<string, string>;
  /** Other headers given back with the object: cache-control, content-disposition, x-amz-checksum-*. */
  headers: Record<string, string>;
  lastModified: Date;
  sha256: string;
  /** How often this key was written. */
  puts: number;
}

export type NewObject = Pick<StoredObject, 'key' | 'data' | 'contentType' | 'metadata' | 'headers'> & { etag?: string };

export class ObjectStore {
  readonly #buckets = new Map<string, Map<string, StoredObject>>();
  readonly #mirror: DiskMirror | null;

  constructor(buckets: readonly string[], mirror: DiskMirror | null) {
    this.#mirror = mirror;
    for (const bucket of buckets) this.#buckets.set(bucket, new Map());
    for (const { bucket, object } of mirror?.load() ?? []) {
      if (!this.#buckets.has(bucket)) this.#buckets.set(bucket, new Map());
      this.#buckets.get(bucket)?.set(object.key, object);
    }
  }

  get buckets(): string[] {
    return [...this.#buckets.keys()];
  }

  hasBucket(bucket: string): boolean {
    return this.#buckets.has(bucket);
  }

  addBucket(bucket: string): void {
    this.#buckets.set(bucket, new Map());
  }

  get(bucket: string, key: string): StoredObject | null {
    return this.#buckets.get(bucket)?.get(key) ?? null;
  }

  put(bucket: string, fresh: NewObject): StoredObject {
    const objects = this.#buckets.get(bucket);
    const stored: StoredObject = {
      ...fresh,
      etag: fresh.etag ?? `"${createHash('md5').update(fresh.data).digest('hex')}"`,
      lastModified: new Date(),
      sha256: createHash('sha256').update(fresh.data).digest('hex'),
      puts: (objects?.get(fresh.key)?.puts ?? 0) + 1,
    };
    objects?.set(fresh.key, stored);
    this.#mirror?.write(bucket, stored);
    return stored;
  }

  remove(bucket: string, key: string): void {
    this.#buckets.get(bucket)?.delete(key);
    this.#mirror?.remove(bucket, key);
  }

  /** All objects of a bucket by key, in the byte order S3 lists them. */
  list(bucket: string): StoredObject[] {
    const objects = [...(this.#buckets.get(bucket)?.values() ?? [])];
    return objects.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }
}
