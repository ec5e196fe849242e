// The one interface behind which image bytes are kept, its error, and the rules for metadata that hold for every kind
// of store. The kinds are in disk.ts and s3.ts; open-store.ts picks one.
import type { Readable } from 'node:stream';
import { ServiceError } from '../base/errors.ts';

export interface ObjectInfo {
  readonly key: string;
  /** Size of the whole object, also when only a range of it was asked for. */
  readonly bytes: number;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Changes when the bytes may have changed; quoted, ready for an `etag` header. */
  readonly etag: string;
  /** Unix ms. */
  readonly lastModified: number;
}

export interface PutOptions {
  readonly contentType: string;
  /** Kept as `toMetadata` leaves it. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** One of several objects that are put at the same time. */
export interface NewObject extends Omit<PutOptions, 'signal'> {
  readonly key: string;
  /** A function makes them while the objects before this one are on their way. */
  readonly bytes: Uint8Array | (() => Uint8Array);
}

export interface StreamOptions extends PutOptions {
  /** A body that is longer is refused and not stored. */
  readonly maxBytes?: number;
}

/** An object as a listing shows it. */
export interface ListedObject {
  readonly key: string;
  readonly bytes: number;
  /** Unix ms. */
  readonly lastModified: number;
}

/** What a streamed body turned out to be. */
export interface Stored {
  readonly bytes: number;
  /** Of the bytes, hex. */
  readonly sha256: string;
}

/** Byte offsets, both inclusive; an `end` past the object's is cut to it. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface PresignOptions {
  /** At most 7 days. */
  readonly expiresSeconds: number;
  readonly contentType: string;
  /** The reply's `content-disposition`. */
  readonly disposition: string;
}

/**
 * Keys are checked by `assertKey` (keys.ts). All methods throw `StorageError` when the storage is away, the signal's
 * reason when aborted, and `TypeError` on misuse. "Not there" is an answer, never an error, and never a guess: a store
 * that cannot tell throws, because a caller that believes an image is absent buys it again.
 */
export interface ImageStore {
  readonly kind: 'disk' | 's3';
  /** Durable when it resolves. All or nothing: a reader sees the old object, or the whole new one. */
  put(key: string, bytes: Uint8Array, options: PutOptions): Promise<void>;
  /** Like `put` of each, cheaper where they share a folder. When it throws, some may be there and others not. */
  putAll(objects: readonly NewObject[], signal?: AbortSignal): Promise<void>;
  /**
   * Like `putAll`, but what is there is never replaced. False when one of them was there: of the others some may be
   * there now. Also false when it was put by a try of this very call whose reply was lost. A storage that cannot do that
   * (s3-put-new.ts, files.ts) puts as `putAll` does.
   */
  putNew(objects: readonly NewObject[], signal?: AbortSignal): Promise<boolean>;
  /**
   * Like `put` for a body of unknown length, of which a few MB at most are held in memory. What `body` throws comes out
   * as it is, and then, as after an abort, nothing is stored. Throws ServiceError `request_too_large` past `maxBytes`.
   */
  putStream(key: string, body: AsyncIterable<Uint8Array>, options: StreamOptions): Promise<Stored>;
  /**
   * The caller must read `body` to its end or destroy it. Throws ServiceError `range_not_satisfiable` when the range
   * starts past the end.
   */
  get(key: string, range?: ByteRange, signal?: AbortSignal): Promise<{ info: ObjectInfo; body: Readable } | null>;
  /** The whole object in memory. */
  read(key: string, signal?: AbortSignal): Promise<Uint8Array | null>;
  head(key: string): Promise<ObjectInfo | null>;
  /** Another text when it is another object, or the same one written anew; null when it is not there. The cheapest question. */
  version(key: string): Promise<string | null>;
  /** Whether there was something to delete. */
  delete(key: string): Promise<boolean>;
  /** Keys that start with `prefix` (any text, not only whole folders), in ASCII order. */
  list(prefix: string): AsyncIterable<string>;
  /** The same with what a listing knows of each; an object deleted meanwhile may be left out. */
  listObjects(prefix: string): AsyncIterable<ListedObject>;
  /** A link that reads the object without credentials, or null when this kind of store has none (disk). */
  presign(key: string, options: PresignOptions): Promise<string | null>;
  /** Throws StorageError when the storage cannot be written now. Cheap enough for a readiness check. */
  probe(): Promise<void>;
  /** Removes what killed processes left half written, long after they must have ended; tells how many pieces. */
  removeLeftovers(): Promise<number>;
  close(): Promise<void>;
}

/**
 * The storage is away: full, unreachable, forbidden, misconfigured. Reaches callers as 503 `unavailable`. Whoever holds
 * a paid image keeps its bytes (memory, then spool) and stores them again later; `later` because no attempt was spent.
 */
export class StorageError extends ServiceError {
  /** It has no room: what is small may still be written, and says nothing. */
  readonly isFull: boolean;

  constructor(message: string, cause: unknown, { isFull = false }: { readonly isFull?: boolean } = {}) {
    super('unavailable', message, { cause });
    this.verdict = 'later';
    this.isFull = isFull;
  }
}
