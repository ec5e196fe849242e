// One HTTP exchange through the guarded agent, limited in size, time and redirects, its body in memory. Used for
// callers' webhooks and for result URLs; guarded-stream.ts is the same for a body that is not to be in memory.
import type { Readable } from 'node:stream';
import { type Dispatcher, errors, request } from 'undici';
import { AddressBlockedError, type GuardedAgent } from './guard.ts';

/**
 * Why there is no reply: `blocked` the URL or its address is forbidden · `timeout` not whole in time · `too_large` ·
 * `encoding` compressed though asked not to be · `redirect` too many, or one that leads nowhere · `network` DNS,
 * refused, TLS, reset, cut short.
 */
export type FetchFailureKind = 'blocked' | 'timeout' | 'too_large' | 'encoding' | 'redirect' | 'network';

export class FetchFailure extends Error {
  override readonly name = 'FetchFailure';
  readonly kind: FetchFailureKind;
  constructor(kind: FetchFailureKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}

export interface GuardedFetchOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly maxBytes: number;
  /**
   * A longer body fails with `too_large`, or is cut to `maxBytes` and the connection dropped (`truncate`: the status is
   * what counts, so a compressed body is no failure either and is left as it came).
   */
  readonly onOverflow?: 'fail' | 'truncate';
  /** From the call to the last byte, redirects included. */
  readonly timeoutMs: number;
  /** Followed for GET and HEAD only; each hop is checked like the first. With 0 a 3xx is a reply like any other. */
  readonly maxRedirects?: number;
  /** Aborting throws the signal's own reason. */
  readonly signal?: AbortSignal;
}

export interface GuardedReply {
  readonly status: number;
  /** Lower-case names; repeated headers joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Where the reply came from, after redirects. */
  readonly url: string;
}

export type BodyLimits = Pick<GuardedFetchOptions, 'maxBytes' | 'onOverflow' | 'method'>;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Destroys a body nobody reads. Without a listener the error this causes would end the process (libraries.md 2). */
function discard(body: Readable): void {
  body.on('error', () => undefined);
  body.destroy();
}

function plainHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}

function requestHeaders(given: Readonly<Record<string, string>> = {}): Record<string, string> {
  const entries = Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]);
  return { ...Object.fromEntries(entries), 'accept-encoding': 'identity' };
}

export function tooLarge(maxBytes: number): FetchFailure {
  return new FetchFailure('too_large', `the reply is larger than ${maxBytes} bytes`);
}

/** Throws `FetchFailure` for a body that is known beforehand not to be taken. */
export function assertBody(
  reply: Dispatcher.ResponseData,
  { maxBytes, onOverflow = 'fail', method = 'GET' }: BodyLimits,
): void {
  if (onOverflow === 'truncate') return;
  const encoding = reply.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity' && encoding !== '') {
    throw new FetchFailure('encoding', 'the reply is compressed, which was not asked for');
  }
  if (Number(reply.headers['content-length'] ?? 0) > maxBytes && method !== 'HEAD') throw tooLarge(maxBytes);
}

async function readBody(reply: Dispatcher.ResponseData, options: BodyLimits): Promise<Buffer> {
  const { maxBytes, onOverflow = 'fail' } = options;
  assertBody(reply, options);
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of reply.body as AsyncIterable<Buffer>) {
    total += chunk.length;
    chunks.push(chunk);
    if (total > maxBytes) {
      if (onOverflow === 'fail') throw tooLarge(maxBytes);
      break;
    }
  }
  return Buffer.concat(chunks, Math.min(total, maxBytes));
}

/** Makes of a final reply what the caller gets; the body is dropped afterwards, if there is anything left of it. */
type ReadReply<T> = (reply: Dispatcher.ResponseData, facts: Omit<GuardedReply, 'body'>) => Promise<T>;

/** Follows redirects until a reply is final. `signal` already carries the time limit. */
async function exchange<T>(
  agent: GuardedAgent,
  start: string | URL,
  options: GuardedFetchOptions,
  signal: AbortSignal,
  read: ReadReply<T>,
): Promise<T> {
  const { method = 'GET', maxRedirects = 0 } = options;
  let url = URL.parse(String(start));
  let headers = requestHeaders(options.headers);
  for (let hop = 0; ; hop += 1) {
    const problem = url === null ? 'is not a URL' : agent.checkUrl(url);
    if (url === null || problem !== null) throw new FetchFailure('blocked', `the URL ${problem}`);
    const reply = await request(url, {
      dispatcher: agent.dispatcher,
      method,
      headers,
      body: options.body ?? null,
      signal,
    });
    const location = reply.headers['location'];
    if (maxRedirects === 0 || !REDIRECTS.has(reply.statusCode) || typeof location !== 'string') {
      const facts = { status: reply.statusCode, headers: plainHeaders(reply.headers), url: url.href };
      try {
        return await read(reply, facts);
      } finally {
        discard(reply.body);
      }
    }
    discard(reply.body);
    if (hop === maxRedirects) throw new FetchFailure('redirect', `more than ${maxRedirects} redirects`);
    const next = URL.parse(location, url.href);
    if (next === null) throw new FetchFailure('redirect', 'redirected to something that is not a URL');
    // Credentials meant for one server are not handed to the next.
    if (next.origin !== url.origin) headers = requestHeaders();
    url = next;
  }
}

function causedBy<T extends Error>(error: unknown, type: new (...args: never[]) => T): T | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof type) return at;
  }
  return null;
}

/**
 * Sends one request and reads the whole reply, whatever its status. Throws `FetchFailure`, or the reason of
 * `options.signal`. Bodies are read as sent: compression is refused, so that `maxBytes` means what it says.
 */
export async function guardedFetch(
  agent: GuardedAgent,
  url: string | URL,
  options: GuardedFetchOptions,
): Promise<GuardedReply> {
  return await withinLimits(agent, url, options, async (reply, facts) => {
    return { ...facts, body: await readBody(reply, options) };
  });
}

/** One exchange, read by `read`; throws as `guardedFetch` does. */
export async function withinLimits<T>(
  agent: GuardedAgent,
  url: string | URL,
  options: GuardedFetchOptions,
  read: ReadReply<T>,
): Promise<T> {
  const { method = 'GET', maxRedirects = 0, timeoutMs, signal } = options;
  if (maxRedirects > 0 && method !== 'GET' && method !== 'HEAD') {
    throw new TypeError('redirects are followed for GET and HEAD only');
  }
  signal?.throwIfAborted();
  const control = new AbortController();
  const onAbort = (): void => control.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const late = new FetchFailure('timeout', `no whole reply within ${timeoutMs} ms`);
  const timer = setTimeout(() => control.abort(late), timeoutMs);
  try {
    return await exchange(agent, url, options, control.signal, read);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (control.signal.aborted) throw late;
    const blocked = causedBy(error, AddressBlockedError);
    if (blocked !== null) throw new FetchFailure('blocked', blocked.message, error);
    // Our own mistakes, e.g. a header with a line break, are not the network's.
    if (error instanceof FetchFailure || error instanceof errors.InvalidArgumentError) throw error;
    throw new FetchFailure('network', error instanceof Error ? error.message : String(error), error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
