// The store on a local disk. Below its root: objects under their keys; beside each, unless its name says all, a hidden
// `.{name}~.json` with its content type and metadata; `.tmp/` with files being written. Segments of keys never start with
// a dot, so what is hidden is no key. The object goes first and its sidecar second: killed in between, the object is there
// and whole, and its type is sniffed from its bytes; and of several that put a new object, only the one that made it writes
// its sidecar. One root may be shared by any number of processes.
import { type FileHandle, mkdir, open, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceError } from '../base/errors.ts';
import { readSidecar, sidecarOf, typeOfName } from './disk-sidecar.ts';
import { walk } from './disk-walk.ts';
import {
  type Bytes,
  errnoOf,
  ignoreMissing,
  type NewFile,
  type Place,
  removeFile,
  sweepFolder,
  syncFolder,
  writeDurably,
} from './files.ts';
import { CONTENT_TYPES, SNIFF_BYTES, sniffFormat } from './formats.ts';
import { assertKey, assertPrefix } from './keys.ts';
import { Meter } from './meter.ts';
import {
  type ByteRange,
  type ImageStore,
  type ListedObject,
  type NewObject,
  type ObjectInfo,
  type PutOptions,
  StorageError,
  type Stored,
  type StreamOptions,
} from './store.ts';

/** Times of files go on in steps of up to 10 ms (Linux, CONFIG_HZ=100). */
const FILE_CLOCK_MS = 20;
/** No write takes an hour, so what is older was left by a process that died. */
const STALE_TEMPORARY_MS = 3_600_000;

/** Turns a file system's error into StorageError; everything else (a bug, an abort, our own error) stays what it is. */
async function storing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    const code = errnoOf(error);
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    throw new StorageError(`The image storage cannot ${what} (${code}).`, error, { isFull });
  }
}

async function sniffContentType(handle: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(SNIFF_BYTES), 0, SNIFF_BYTES, 0);
  const format = sniffFormat(buffer.subarray(0, bytesRead));
  return format === null ? 'application/octet-stream' : CONTENT_TYPES[format];
}

interface Written {
  readonly key: string;
  readonly body: Bytes | Meter;
  readonly options: Pick<PutOptions, 'contentType' | 'metadata'>;
  readonly isNew?: boolean;
}

class DiskStore implements ImageStore {
  readonly kind = 'disk';
  readonly #root: string;
  readonly #place: Place;

  constructor(root: string) {
    this.#root = root;
    this.#place = { root, temporary: join(root, '.tmp'), known: new Set() };
  }

  #object(key: string): string {
    assertKey(key);
    return join(this.#root, key);
  }

  /** In the same folder, so that one sync makes both last. */
  #sidecar(key: string): string {
    const path = this.#object(key);
    return join(dirname(path), `.${basename(path)}~.json`);
  }

  /** Throws when the root is gone or no folder (hence the slash): what is in it is unknown then, not absent. */
  async #assertRoot(): Promise<void> {
    await stat(`${this.#root}/`);
  }

  /**
   * Undefined when there is no such file in a root that was there all the while: moved away or unmounted and back in between,
   * it is another folder, or its ctime is another, as soon as the kernel's clock for files has gone on.
   */
  async #openFile(key: string): Promise<FileHandle | undefined> {
    for (let before = ''; ; ) {
      const handle = await open(this.#object(key), 'r').catch(ignoreMissing);
      if (handle !== undefined) return handle;
      const { dev, ino, ctimeMs, ctimeNs } = await stat(`${this.#root}/`, { bigint: true });
      const now = `${dev} ${ino} ${ctimeNs}`;
      const isSettled = Math.abs(Date.now() - Number(ctimeMs)) > FILE_CLOCK_MS;
      if (now === before && isSettled) return undefined;
      if (!isSettled) await sleep(FILE_CLOCK_MS);
      before = now;
    }
  }

  async #open(key: string): Promise<{ handle: FileHandle; info: ObjectInfo } | null> {
    const handle = await this.#openFile(key);
    if (handle === undefined) return null;
    try {
      const found = await handle.stat({ bigint: true });
      if (found.isFile()) {
        const sidecar = await readSidecar(this.#sidecar(key));
        const info: ObjectInfo = {
          key,
          bytes: Number(found.size),
          contentType: sidecar?.contentType ?? typeOfName(key) ?? (await sniffContentType(handle)),
          metadata: sidecar?.metadata ?? {},
          etag: `"${found.size.toString(36)}-${found.mtimeNs.toString(36)}"`,
          lastModified: Number(found.mtimeMs),
        };
        return { handle, info };
      }
    } catch (error) {
      await handle.close();
      throw error;
    }
    await handle.close();
    return null;
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions): Promise<void> {
    await this.#write([{ key, body: bytes, options }], options.signal);
  }

  async putAll(objects: readonly NewObject[], signal?: AbortSignal): Promise<void> {
    await this.#write(
      objects.map(({ key, bytes, ...options }) => ({ key, body: bytes, options })),
      signal,
    );
  }

  async putNew(objects: readonly NewObject[], signal?: AbortSignal): Promise<boolean> {
    return await this.#write(
      objects.map(({ key, bytes, ...options }) => ({ key, body: bytes, options, isNew: true })),
      signal,
    );
  }

  async putStream(key: string, body: AsyncIterable<Uint8Array>, options: StreamOptions): Promise<Stored> {
    const meter = new Meter(body, options);
    return await meter.through(() => this.#write([{ key, body: meter, options }], options.signal));
  }

  /** False when a new object was there already. */
  async #write(objects: readonly Written[], signal: AbortSignal | undefined): Promise<boolean> {
    const files: NewFile[] = [];
    const needless: string[] = [];
    for (const { key, body, options, isNew = false } of objects) {
      files.push({ path: this.#object(key), body, isNew });
      const sidecar = sidecarOf(key, options);
      if (sidecar !== null) files.push({ path: this.#sidecar(key), body: Buffer.from(JSON.stringify(sidecar)) });
      else if (!isNew) needless.push(this.#sidecar(key));
    }
    return await storing('be written', async () => {
      if (!(await writeDurably(files, this.#place, signal))) return false;
      // Of an object that was there before and said more.
      await Promise.all(needless.map((path) => unlink(path).catch(ignoreMissing)));
      return true;
    });
  }

  async get(
    key: string,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<{ info: ObjectInfo; body: Readable } | null> {
    signal?.throwIfAborted();
    return await storing('be read', async () => {
      const found = await this.#open(key);
      if (found === null) return null;
      const { handle, info } = found;
      if (range !== undefined && range.start >= info.bytes) {
        await handle.close();
        throw new ServiceError('range_not_satisfiable', `The image has ${info.bytes} bytes.`);
      }
      const body = handle.createReadStream(range === undefined ? {} : { start: range.start, end: range.end });
      return { info, body: signal === undefined ? body : addAbortSignal(signal, body) };
    });
  }

  async read(key: string, signal?: AbortSignal): Promise<Uint8Array | null> {
    signal?.throwIfAborted();
    const bytes = await storing('be read', async () => {
      const found = await this.#open(key);
      if (found === null) return null;
      try {
        return await found.handle.readFile();
      } finally {
        await found.handle.close();
      }
    });
    signal?.throwIfAborted();
    return bytes;
  }

  async head(key: string): Promise<ObjectInfo | null> {
    return await storing('be read', async () => {
      const found = await this.#open(key);
      await found?.handle.close();
      return found?.info ?? null;
    });
  }

  async version(key: string): Promise<string | null> {
    return await storing('be read', async () => {
      const found = await stat(this.#object(key), { bigint: true }).catch(ignoreMissing);
      if (found === undefined) await this.#assertRoot();
      return found === undefined ? null : `${found.dev} ${found.ino} ${found.size} ${found.mtimeNs}`;
    });
  }

  /** The sidecar goes first: killed in between, the object is still there to be deleted again. */
  async delete(key: string): Promise<boolean> {
    const path = this.#object(key);
    return await storing('be changed', async () => {
      await removeFile(this.#sidecar(key), this.#root);
      const existed = await removeFile(path, this.#root);
      if (!existed) await this.#assertRoot();
      return existed;
    });
  }

  async *list(prefix: string): AsyncIterable<string> {
    assertPrefix(prefix);
    try {
      await this.#assertRoot();
      yield* walk(this.#root, '', prefix);
    } catch (error) {
      throw errnoOf(error) === undefined
        ? error
        : new StorageError(`The image storage cannot be listed (${errnoOf(error)}).`, error);
    }
  }

  async *listObjects(prefix: string): AsyncIterable<ListedObject> {
    for await (const key of this.list(prefix)) {
      const found = await storing('be listed', () => stat(this.#object(key)).catch(ignoreMissing));
      if (found !== undefined) yield { key, bytes: found.size, lastModified: found.mtimeMs };
    }
  }

  async presign(key: string): Promise<null> {
    assertKey(key);
    return null;
  }

  async probe(): Promise<void> {
    const path = join(this.#place.temporary, 'probe');
    await storing('be written', () => writeDurably([{ path, body: Buffer.alloc(4_096) }], this.#place));
    await unlink(path).catch(() => undefined); // another process's probe removed it, or the sweep will
  }

  async removeLeftovers(): Promise<number> {
    return await storing('be tidied', () => sweepFolder(this.#place.temporary, Date.now() - STALE_TEMPORARY_MS));
  }

  async close(): Promise<void> {}
}

/**
 * Opens the store in `root` (relative paths: from the working directory), which is made if missing, and removes what a
 * killed process left half written. Throws StorageError when the folder cannot be made or written.
 */
export async function openDiskStore(root: string): Promise<ImageStore> {
  const path = resolve(root);
  const store = new DiskStore(path);
  await storing('be made', async () => {
    await mkdir(path, { recursive: true });
    await syncFolder(dirname(path));
  });
  await store.removeLeftovers();
  await store.probe();
  return store;
}

/** The store in `root` as it is, to read from: nothing is made, tidied or tried. Throws StorageError when there is none. */
export async function openDiskStoreAsIs(root: string): Promise<ImageStore> {
  const path = resolve(root);
  await storing('be read', () => stat(`${path}/`));
  return new DiskStore(path);
}
