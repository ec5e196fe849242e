// Counts and hashes a body while a store takes it in, stops it at a limit or an abort, and keeps what went wrong with the
// body apart from what went wrong with the storage.
import { createHash } from 'node:crypto';
import { ServiceError } from '../base/errors.ts';
import type { Stored, StreamOptions } from './store.ts';

type Limits = Pick<StreamOptions, 'maxBytes' | 'signal'>;

/** A body on its way into storage; it can be read once. */
export class Meter implements AsyncIterable<Uint8Array> {
  readonly #body: AsyncIterable<Uint8Array>;
  readonly #limits: Limits;
  readonly #hash = createHash('sha256');
  #bytes = 0;
  #failure: { readonly error: unknown } | null = null;

  constructor(body: AsyncIterable<Uint8Array>, limits: Limits) {
    this.#body = body;
    this.#limits = limits;
  }

  /**
   * Runs `store`, which reads this meter to its end, and tells what went through. Throws what the body threw, the
   * signal's reason or `request_too_large` as they are, whatever the store made of them; else what the store threw.
   */
  async through(store: () => Promise<unknown>): Promise<Stored> {
    this.#limits.signal?.throwIfAborted();
    try {
      await store();
    } catch (error) {
      throw this.#failure === null ? error : this.#failure.error;
    }
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const source = this.#body[Symbol.asyncIterator]();
    let isDone = false;
    try {
      for (;;) {
        const chunk = await this.#pull(source);
        if (chunk === null) break;
        yield chunk;
      }
      isDone = true;
    } finally {
      // Not awaited: after an abort the source may never answer. Why it ends is known already, so its own error is not.
      if (!isDone) source.return?.()?.catch(() => undefined);
    }
  }

  /** The next chunk, counted; null at the end. What it throws is the body's failure, not the storage's. */
  async #pull(source: AsyncIterator<Uint8Array>): Promise<Uint8Array | null> {
    try {
      const next = await nextOrAbort(source, this.#limits.signal);
      if (next.done === true) return null;
      this.#count(next.value);
      return next.value;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  #count(chunk: Uint8Array): void {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#limits;
    this.#bytes += chunk.byteLength;
    if (this.#bytes > maxBytes) {
      throw new ServiceError('request_too_large', `The file is larger than ${maxBytes} bytes.`);
    }
    this.#hash.update(chunk);
  }
}

/**
 * The source's next result, or the signal's reason if it aborts first. A listener for each chunk, because a race against
 * one promise for all of them would hold every chunk in memory (137 MB after 200 MB).
 */
async function nextOrAbort<T>(source: AsyncIterator<T>, signal: AbortSignal | undefined): Promise<IteratorResult<T>> {
  if (signal === undefined) return await source.next();
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<T>>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  source.next().then(resolve, reject);
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
