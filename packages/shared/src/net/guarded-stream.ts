// A reply through the guard whose body is handed on as it comes, under the limits of guarded-fetch.ts. Used for callers'
// input images.
import type { Dispatcher } from 'undici';
import type { GuardedAgent } from './guard.ts';
import {
  assertBody,
  type BodyLimits,
  type GuardedFetchOptions,
  type GuardedReply,
  tooLarge,
  withinLimits,
} from './guarded-fetch.ts';

export interface StreamedReply extends Omit<GuardedReply, 'body'> {
  /** To be read once, within the time limit; left alone, it is dropped. Throws `FetchFailure` past `maxBytes` too. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** A reply's body on its way to someone else; keeps what went wrong with it apart from what went wrong with them. */
class StreamedBody implements AsyncIterable<Uint8Array> {
  readonly #reply: Dispatcher.ResponseData;
  readonly #limits: BodyLimits;
  failure: { readonly error: unknown } | null = null;

  constructor(reply: Dispatcher.ResponseData, limits: BodyLimits) {
    this.#reply = reply;
    this.#limits = limits;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    let total = 0;
    const chunks = (this.#reply.body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    for (;;) {
      const next = await this.#pull(chunks);
      if (next === null) return;
      total += next.length;
      if (total > this.#limits.maxBytes) throw this.#fail(tooLarge(this.#limits.maxBytes));
      yield next;
    }
  }

  async #pull(chunks: AsyncIterator<Buffer>): Promise<Buffer | null> {
    try {
      assertBody(this.#reply, this.#limits);
      const next = await chunks.next();
      return next.done === true ? null : next.value;
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #fail(error: unknown): unknown {
    this.failure = { error };
    return error;
  }
}

/**
 * Sends one request as `guardedFetch` does: `take` gets the reply as soon as its headers are here. What `take`
 * itself throws comes out as it is, unless the body failed: then it is a `FetchFailure`.
 */
export async function guardedStream<T>(
  agent: GuardedAgent,
  url: string | URL,
  options: Omit<GuardedFetchOptions, 'onOverflow'>,
  take: (reply: StreamedReply) => Promise<T>,
): Promise<T> {
  const taken = await withinLimits(agent, url, options, async (reply, facts) => {
    const body = new StreamedBody(reply, options);
    try {
      return { value: await take({ ...facts, body }) };
    } catch (error) {
      if (body.failure !== null) throw body.failure.error;
      return { error };
    }
  });
  if ('error' in taken) throw taken.error;
  return taken.value;
}
