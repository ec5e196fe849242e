// The client of one submitting request: whether it is still there and, for the rule that its own retry never buys again,
// whether it got its final reply.
import { setImmediate as afterInput } from 'node:timers/promises';
import { type Asking, endAsking } from '@darkroom/shared/jobs/unanswered.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';

export interface Client {
  /** Aborts when it leaves before its reply is written. */
  readonly gone: AbortSignal;
  /**
   * The last question before something is recorded: throws when the client has left. What has come in is looked at first:
   * after a process stood still, the hang-up may lie behind the answer that lets it go on, and the client's retry may have
   * made its job at another.
   */
  assertThere(): Promise<void>;
  /** How the steps that record something know it. */
  asking(fingerprint: string): Asking;
  /** It has been recorded that it waits for `id`; from now on its end is recorded too. */
  waitsFor(fingerprint: string, id: string): void;
  /** The reply that follows is the last word: once written, whoever asks again asks for something new. */
  getsFinalReply(): void;
}

export function watchClient(
  deps: Pick<Deps, 'askers' | 'redis' | 'keys' | 'logger'>,
  request: FastifyRequest,
  reply: FastifyReply,
): Client {
  const leaving = new AbortController();
  const asker = deps.askers.next();
  const { socket } = request.raw;
  let isFinal = false;
  let awaited: { readonly fingerprint: string; readonly id: string } | null = null;
  let ended: 'written' | 'left' | null = null;

  const settle = (): void => {
    if (awaited === null || ended === null) return;
    const { fingerprint, id } = awaited;
    awaited = null;
    endAsking(deps, request.account, { fingerprint, asker }, id, ended).catch((error: unknown) => {
      deps.logger.warn({ jobId: id, err: error }, 'the end of a request was not noted; its retry will find its job');
    });
  };
  const end = (how: 'written' | 'left'): void => {
    ended ??= how;
    settle();
  };
  // A destroyed socket lets a reply finish, too.
  reply.raw.once('finish', () => end(isFinal && !socket.destroyed ? 'written' : 'left'));
  reply.raw.once('close', () => {
    if (ended === null) leaving.abort();
    end('left');
  });
  if (reply.raw.destroyed) {
    ended = 'left';
    leaving.abort();
  }
  return {
    gone: leaving.signal,
    async assertThere() {
      // Twice: the first may end the very turn in which the process stood still.
      await afterInput();
      await afterInput();
      // Seen at once; `close` comes some turns later.
      if (socket.destroyed || socket.writableEnded) leaving.abort();
      leaving.signal.throwIfAborted();
    },
    asking: (fingerprint) => ({ fingerprint, asker, isRetry: isRetry(request) }),
    waitsFor(fingerprint, id) {
      awaited = { fingerprint, id };
      settle();
    },
    getsFinalReply() {
      isFinal = true;
    },
  };
}

/** OpenAI's SDKs count their own retries (openai 7.57.0, read 2026-11-22). */
function isRetry({ headers }: FastifyRequest): boolean {
  return /^[1-9]\d{0,5}$/.test(String(headers['x-stainless-retry-count'] ?? ''));
}

/**
 * The body of a client's reply, made by `work`. Of a client that has left nothing comes: nobody is answered, and a failure
 * that its leaving has caused is none.
 */
export async function answer<T>(client: Client, reply: FastifyReply, work: () => Promise<T>): Promise<T | undefined> {
  try {
    const body = await work();
    if (!client.gone.aborted) return body;
  } catch (error) {
    if (!client.gone.aborted) throw error;
  }
  void reply.hijack();
  return undefined;
}
