// Fetches an input image from a caller's URL, through the guard. What is told of a failure names the URL without its
// query, and never an address.
import type { GuardedAgent } from '../net/guard.ts';
import { FetchFailure } from '../net/guarded-fetch.ts';
import { guardedStream } from '../net/guarded-stream.ts';
import { MAX_INPUT_BYTES } from './limits.ts';
import { fileTooLarge, invalidImageUrl } from './problems.ts';

/** From the first byte asked for to the last one read, both tries together. */
const TIMEOUT_MS = 30_000;
const MAX_REDIRECTS = 3;
const TRIES = 2;
const LONGEST_SHOWN = 300;

/** A reply that is no image yet: its status. */
interface Refusal {
  readonly status: number;
}

/**
 * One more try when the server fails or the network does. Throws ServiceError `invalid_image_url` or `file_too_large`,
 * what `take` throws, or the signal's reason.
 */
export async function fetchInput<T>(
  agent: GuardedAgent,
  param: string,
  url: string,
  take: (body: AsyncIterable<Uint8Array>) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (let tries = 1; ; tries += 1) {
    try {
      const taken = await ask(agent, url, take, deadline - performance.now(), signal);
      if (!('status' in taken)) return taken.value;
      if (taken.status < 500 || tries === TRIES) throw unfetched(param, url, `the server answered ${taken.status}`);
    } catch (error) {
      if (!(error instanceof FetchFailure)) throw error;
      if (error.kind === 'too_large') throw fileTooLarge(param, MAX_INPUT_BYTES);
      if (error.kind !== 'network' || tries === TRIES) throw unfetched(param, url, reasonOf(error), error);
    }
  }
}

async function ask<T>(
  agent: GuardedAgent,
  url: string,
  take: (body: AsyncIterable<Uint8Array>) => Promise<T>,
  leftMs: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly value: T } | Refusal> {
  const limits = {
    maxBytes: MAX_INPUT_BYTES,
    timeoutMs: Math.max(1, Math.floor(leftMs)),
    maxRedirects: MAX_REDIRECTS,
    ...(signal === undefined ? {} : { signal }),
  };
  return await guardedStream(agent, url, limits, async ({ status, body }) =>
    status === 200 ? { value: await take(body) } : { status },
  );
}

/** A network's own message may hold addresses. */
function reasonOf({ kind, message }: FetchFailure): string {
  if (kind === 'network') return 'the server could not be reached or broke off';
  return kind === 'timeout' ? `it took longer than ${TIMEOUT_MS / 1_000} s` : message;
}

function unfetched(param: string, url: string, why: string, cause?: unknown) {
  return invalidImageUrl(param, `${shownUrl(url).slice(0, LONGEST_SHOWN)} could not be fetched: ${why}`, cause);
}

/** A URL as it may be shown: without what is used to sign links or to log in. */
export function shownUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null) return 'the URL';
  [url.search, url.hash, url.username, url.password] = ['', '', '', ''];
  return url.href;
}
