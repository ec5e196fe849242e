// A store that is believed only while it bears its mark (mark.ts). "Not there" is said after a look at the mark, and on a
// disk nothing is written without one before and after: a folder whose disk is gone takes everything and keeps nothing.
import type { Readable } from 'node:stream';
import { isOursAlone, keepsFirst, MARK_KEY, type MarkDeps, renewMark, settleMark } from './mark.ts';
import type {
  ByteRange,
  ImageStore,
  ListedObject,
  NewObject,
  ObjectInfo,
  PresignOptions,
  PutOptions,
  Stored,
  StreamOptions,
} from './store.ts';

export interface MarkedStore extends ImageStore {
  /** Throws StorageError when the storage is away or another one. Reads only; cheap enough for every few seconds. */
  assertOurs(): Promise<void>;
  /** Whether no other installation, and no other Redis of this one, has ever used it. */
  isOursAlone(): Promise<boolean>;
  /** Whether `putNew` replaces nothing here. Some S3 servers know no conditional puts. Throws StorageError as `assertOurs`. */
  keepsFirst(): Promise<boolean>;
  /** Makes the mark young again. Throws StorageError when it is not there or not ours. */
  renewMark(): Promise<void>;
}

/**
 * A look that began so long ago still counts, ms. On a disk it is one `stat`, so each asks anew; a bucket does not come and
 * go, but may be set wrong or emptied, and a look is a request.
 */
const FRESH_MS = { disk: 0, s3: 1_000 } as const;
const EVER = Number.POSITIVE_INFINITY;

class StoreWithMark implements MarkedStore {
  readonly kind: ImageStore['kind'];
  readonly #store: ImageStore;
  readonly #deps: MarkDeps;
  readonly #freshMs: number;
  /** Of the mark when it was ours. */
  #version: string | null = null;
  /** The newest look that has not failed. */
  #look: { readonly at: number; readonly done: Promise<void> } | null = null;

  constructor(deps: MarkDeps) {
    this.kind = deps.store.kind;
    this.#store = deps.store;
    this.#deps = deps;
    this.#freshMs = FRESH_MS[this.kind];
  }

  async assertOurs(freshMs = this.#freshMs): Promise<void> {
    const at = performance.now();
    if (this.#look !== null && at - this.#look.at < freshMs) return await this.#look.done;
    const look = { at, done: this.#lookAt() };
    this.#look = look;
    try {
      await look.done;
    } catch (error) {
      if (this.#look === look) this.#look = null;
      throw error;
    }
  }

  async isOursAlone(): Promise<boolean> {
    await this.assertOurs();
    return await isOursAlone(this.#deps);
  }

  async keepsFirst(): Promise<boolean> {
    await this.assertOurs(0);
    return await keepsFirst(this.#deps);
  }

  async renewMark(): Promise<void> {
    await this.assertOurs(0);
    await renewMark(this.#deps);
  }

  async #lookAt(): Promise<void> {
    const version = await this.#store.version(MARK_KEY);
    if (version !== null && version === this.#version) return;
    this.#version = null;
    await settleMark(this.#deps);
    this.#version = await this.#store.version(MARK_KEY);
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    await this.assertOurs(this.kind === 'disk' ? 0 : EVER);
    const done = await work();
    if (this.kind === 'disk') await this.assertOurs();
    return done;
  }

  async #believed<T>(answer: T, isThere: boolean): Promise<T> {
    if (!isThere) await this.assertOurs();
    return answer;
  }

  put(key: string, bytes: Uint8Array, options: PutOptions): Promise<void> {
    return this.#write(() => this.#store.put(key, bytes, options));
  }

  putAll(objects: readonly NewObject[], signal?: AbortSignal): Promise<void> {
    return this.#write(() => this.#store.putAll(objects, signal));
  }

  putNew(objects: readonly NewObject[], signal?: AbortSignal): Promise<boolean> {
    return this.#write(() => this.#store.putNew(objects, signal));
  }

  putStream(key: string, body: AsyncIterable<Uint8Array>, options: StreamOptions): Promise<Stored> {
    return this.#write(() => this.#store.putStream(key, body, options));
  }

  async get(
    key: string,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<{ info: ObjectInfo; body: Readable } | null> {
    const found = await this.#store.get(key, range, signal);
    return await this.#believed(found, found !== null);
  }

  async read(key: string, signal?: AbortSignal): Promise<Uint8Array | null> {
    const found = await this.#store.read(key, signal);
    return await this.#believed(found, found !== null);
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const found = await this.#store.head(key);
    return await this.#believed(found, found !== null);
  }

  async version(key: string): Promise<string | null> {
    const found = await this.#store.version(key);
    return await this.#believed(found, found !== null);
  }

  async delete(key: string): Promise<boolean> {
    const existed = await this.#store.delete(key);
    return await this.#believed(existed, existed);
  }

  async *list(prefix: string): AsyncIterable<string> {
    for await (const key of this.#store.list(prefix)) if (key !== MARK_KEY) yield key;
    await this.assertOurs();
  }

  async *listObjects(prefix: string): AsyncIterable<ListedObject> {
    for await (const object of this.#store.listObjects(prefix)) if (object.key !== MARK_KEY) yield object;
    await this.assertOurs();
  }

  presign(key: string, options: PresignOptions): Promise<string | null> {
    return this.#store.presign(key, options);
  }

  async probe(): Promise<void> {
    await this.assertOurs(0);
    await this.#store.probe();
  }

  removeLeftovers(): Promise<number> {
    return this.#store.removeLeftovers();
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** Asks nothing yet: whether the storage is ours shows at the first use, or by `probe`. Closing it closes `deps.store`. */
export function buildMarkedStore(deps: MarkDeps): MarkedStore {
  return new StoreWithMark(deps);
}
