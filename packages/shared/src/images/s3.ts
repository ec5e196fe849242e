// The store in an S3 bucket: AWS or anything that speaks its language. Bodies and parts of bodies are sent from memory with
// their length, so that the SDK can send them again.
import { addAbortSignal, type Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { ServiceError } from '../base/errors.ts';
import { assertKey, assertPrefix, isKey } from './keys.ts';
import { Meter } from './meter.ts';
import { buildS3Client, type S3ClientOptions } from './s3-client.ts';
import { isFull, reasonOf } from './s3-errors.ts';
import { abortStaleUploads } from './s3-leftovers.ts';
import { describe, toInfo } from './s3-object.ts';
import { buildPutNew, type PutNew } from './s3-put-new.ts';
import { type SendUploadRequest, uploadStream } from './s3-upload.ts';
import {
  type ByteRange,
  type ImageStore,
  type ListedObject,
  type NewObject,
  type ObjectInfo,
  type PresignOptions,
  type PutOptions,
  StorageError,
  type Stored,
  type StreamOptions,
} from './store.ts';

export interface S3StoreOptions extends S3ClientOptions {
  readonly bucket: string;
  /** Put before every key; '' or ends with `/`. */
  readonly prefix: string;
  /** One operation with all its tries, ms; then the storage counts as away. Default 90,000. */
  readonly operationTimeoutMs?: number;
}

const OPERATION_TIMEOUT_MS = 90_000;
const PROBE_TIMEOUT_MS = 5_000;
const CLEAN_UP_TIMEOUT_MS = 10_000;
/** Starts with a dot, so it is no key of ours and never listed. */
const PROBE_NAME = '.probe';

class S3Store implements ImageStore {
  readonly kind = 's3';
  readonly #client: S3Client;
  readonly #options: S3StoreOptions;
  readonly #putNew: PutNew;

  constructor(options: S3StoreOptions) {
    this.#options = options;
    this.#client = buildS3Client(options);
    this.#putNew = buildPutNew(this.#client);
  }

  #object(key: string): { Bucket: string; Key: string } {
    assertKey(key);
    return { Bucket: this.#options.bucket, Key: `${this.#options.prefix}${key}` };
  }

  /**
   * Runs one operation under its time limit (null: it has none). Whatever goes wrong means that the storage is away, a 403 and a missing
   * bucket too: a paid image must be kept until the operator has mended that.
   */
  async #run<T>(
    what: string,
    work: (abortSignal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
    timeoutMs: number | null = this.#options.operationTimeoutMs ?? OPERATION_TIMEOUT_MS,
  ): Promise<T> {
    signal?.throwIfAborted();
    const control = new AbortController();
    const onAbort = (): void => control.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = timeoutMs === null ? undefined : setTimeout(() => control.abort(), timeoutMs);
    try {
      return await work(control.signal);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof ServiceError) throw error;
      const reason = control.signal.aborted ? `not done within ${timeoutMs} ms` : reasonOf(error);
      throw new StorageError(`The image storage cannot ${what} (${reason}).`, error, { isFull: isFull(error) });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /**
   * For `catch`: null when there surely is no such object, any other error goes on. A 404 without a name (every HEAD, some
   * proxies) may also mean that the bucket is gone, so the bucket is asked for.
   */
  async #ignoreMissing(error: unknown, abortSignal: AbortSignal): Promise<null> {
    const isMissing = error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404;
    if (!isMissing || error.name === 'NoSuchBucket') throw error;
    if (error.name !== 'NoSuchKey') {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#options.bucket }), { abortSignal });
    }
    return null;
  }

  #input({ key, bytes, ...options }: NewObject): PutObjectCommandInput {
    const body = typeof bytes === 'function' ? bytes() : bytes;
    return { ...this.#object(key), ...describe(options), Body: body, ContentLength: body.byteLength };
  }

  async put(key: string, bytes: NewObject['bytes'], options: PutOptions): Promise<void> {
    const command = new PutObjectCommand(this.#input({ ...options, key, bytes }));
    await this.#run('be written', (abortSignal) => this.#client.send(command, { abortSignal }), options.signal);
  }

  async putAll(objects: readonly NewObject[], signal?: AbortSignal): Promise<void> {
    await Promise.all(
      objects.map(({ key, bytes, ...options }) => this.put(key, bytes, { ...options, ...(signal && { signal }) })),
    );
  }

  async putNew(objects: readonly NewObject[], signal?: AbortSignal): Promise<boolean> {
    const puts = objects.map(async (object) => {
      const input = this.#input(object);
      return await this.#run('be written', (abortSignal) => this.#putNew(input, abortSignal), signal);
    });
    return (await Promise.all(puts)).every(Boolean);
  }

  /** Each request of the upload has its own time limit; the body may take as long as it likes. */
  async putStream(key: string, body: AsyncIterable<Uint8Array>, options: StreamOptions): Promise<Stored> {
    const target = { ...this.#object(key), ...describe(options) };
    const meter = new Meter(body, options);
    const send: SendUploadRequest = (work, isCleanUp) =>
      isCleanUp
        ? this.#run('be changed', work, undefined, CLEAN_UP_TIMEOUT_MS)
        : this.#run('be written', work, options.signal);
    const upload = () => uploadStream(this.#client, target, meter, send);
    return await meter.through(() => this.#run('be written', upload, options.signal, null));
  }

  async #get(key: string, command: GetObjectCommand, abortSignal: AbortSignal) {
    try {
      const found = await this.#client.send(command, { abortSignal });
      return { info: toInfo(key, found), body: found.Body as Readable };
    } catch (error) {
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 416) {
        throw new ServiceError('range_not_satisfiable', 'The range starts past the end of the image.');
      }
      return await this.#ignoreMissing(error, abortSignal);
    }
  }

  async get(
    key: string,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<{ info: ObjectInfo; body: Readable } | null> {
    const command = new GetObjectCommand({
      ...this.#object(key),
      ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` }),
    });
    const found = await this.#run('be read', (abortSignal) => this.#get(key, command, abortSignal), signal);
    if (found !== null && signal !== undefined) addAbortSignal(signal, found.body);
    return found;
  }

  async read(key: string, signal?: AbortSignal): Promise<Uint8Array | null> {
    const command = new GetObjectCommand(this.#object(key));
    return await this.#run(
      'be read',
      async (abortSignal) => {
        const found = await this.#get(key, command, abortSignal);
        if (found === null) return null;
        const bytes = Buffer.concat(await found.body.toArray({ signal: abortSignal }));
        if (bytes.length !== found.info.bytes) throw new Error(`${bytes.length} of ${found.info.bytes} bytes arrived`);
        return bytes;
      },
      signal,
    );
  }

  head(key: string): Promise<ObjectInfo | null> {
    return this.#head(key, this.#options.operationTimeoutMs ?? OPERATION_TIMEOUT_MS);
  }

  async #head(key: string, timeoutMs: number): Promise<ObjectInfo | null> {
    const command = new HeadObjectCommand(this.#object(key));
    const send = async (abortSignal: AbortSignal): Promise<ObjectInfo | null> => {
      try {
        return toInfo(key, await this.#client.send(command, { abortSignal }));
      } catch (error) {
        return await this.#ignoreMissing(error, abortSignal);
      }
    };
    return await this.#run('be read', send, undefined, timeoutMs);
  }

  /** Soon, like `probe`. */
  async version(key: string): Promise<string | null> {
    const found = await this.#head(key, PROBE_TIMEOUT_MS);
    return found?.etag ?? null;
  }

  /** Asks first, because S3 answers the same whether there was something to delete or not. */
  async delete(key: string): Promise<boolean> {
    if ((await this.head(key)) === null) return false;
    const command = new DeleteObjectCommand(this.#object(key));
    await this.#run('be changed', (abortSignal) => this.#client.send(command, { abortSignal }));
    return true;
  }

  async *list(prefix: string): AsyncIterable<string> {
    for await (const { key } of this.listObjects(prefix)) yield key;
  }

  async *listObjects(prefix: string): AsyncIterable<ListedObject> {
    assertPrefix(prefix);
    const { bucket, prefix: root } = this.#options;
    let from: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: `${root}${prefix}`,
        ...(from === undefined ? {} : { ContinuationToken: from }),
      });
      const page = await this.#run('be listed', (abortSignal) => this.#client.send(command, { abortSignal }));
      const objects = (page.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => ({
        key: Key.slice(root.length),
        bytes: Size,
        lastModified: LastModified?.getTime() ?? 0,
      }));
      yield* objects.filter(({ key }) => isKey(key));
      from = page.NextContinuationToken;
    } while (from !== undefined);
  }

  async presign(key: string, options: PresignOptions): Promise<string> {
    const command = new GetObjectCommand({
      ...this.#object(key),
      ResponseContentType: options.contentType,
      ResponseContentDisposition: options.disposition,
    });
    return await this.#run('be linked to', () =>
      getSignedUrl(this.#client, command, { expiresIn: options.expiresSeconds }),
    );
  }

  async probe(): Promise<void> {
    const command = new PutObjectCommand({
      Bucket: this.#options.bucket,
      Key: `${this.#options.prefix}${PROBE_NAME}`,
      Body: Buffer.from('ok'),
      ContentLength: 2,
      ContentType: 'text/plain',
    });
    const put = (abortSignal: AbortSignal) => this.#client.send(command, { abortSignal });
    await this.#run('be written', put, undefined, PROBE_TIMEOUT_MS);
  }

  removeLeftovers(): Promise<number> {
    const { bucket, prefix } = this.#options;
    return abortStaleUploads(this.#client, bucket, prefix, (request) => this.#run('be tidied', request));
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }
}

/** Opens nothing yet: whether the bucket can be reached shows at the first use, or by `probe`. */
export function openS3Store(options: S3StoreOptions): ImageStore {
  return new S3Store(options);
}
