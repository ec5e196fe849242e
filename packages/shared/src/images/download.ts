// Fetches the image behind a URL in an upstream's reply, at once, through the guard. Whether the bytes are an image is for
// `inspectImage` to say.

import type { GuardedAgent } from '../net/guard.ts';
import { FetchFailure, type GuardedReply, guardedFetch } from '../net/guarded-fetch.ts';

/**
 * `gone` the image is not there: no longer (403: the link's signature ran out; 404, 410), or not yet (any other 4xx, empty);
 * which of them, only the link's age tells · `retry` the same URL may work later (5xx, 408, 425, 429, network, time-out, cut
 * short) · `refused` it never will (a forbidden address, too large, compressed, redirected astray, any other status).
 */
export type Download =
  | { readonly kind: 'ok'; readonly bytes: Buffer; readonly contentType: string | null }
  | { readonly kind: 'gone' | 'retry' | 'refused'; readonly reason: string; readonly status: number | null };

export interface DownloadOptions {
  /** Default 100 MB. */
  readonly maxBytes?: number;
  /** From the call to the last byte, redirects included. Default 60 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const MAX_BYTES = 100_000_000;
const TIMEOUT_MS = 60_000;
const MAX_REDIRECTS = 3;
const LATER = new Set([408, 425, 429]);

function judge(reply: GuardedReply): Download {
  const { status, headers, body } = reply;
  const failed = (kind: 'gone' | 'retry' | 'refused', reason: string): Download => ({ kind, reason, status });
  if (LATER.has(status) || status >= 500) return failed('retry', `the server answered ${status}`);
  if (status >= 400) return failed('gone', `the image is not there (${status})`);
  if (status !== 200) return failed('refused', `the server answered ${status}`);
  const announced = headers['content-length'];
  if (announced !== undefined && Number(announced) !== body.length) {
    return failed('retry', `${body.length} of ${announced} bytes arrived`);
  }
  if (body.length === 0) return failed('gone', 'the reply is empty');
  return { kind: 'ok', bytes: body, contentType: headers['content-type'] ?? null };
}

/** One try. Every failure is an answer; only an aborted signal throws, with its reason. */
export async function downloadResult(
  agent: GuardedAgent,
  url: string,
  options: DownloadOptions = {},
): Promise<Download> {
  try {
    const reply = await guardedFetch(agent, url, {
      maxBytes: options.maxBytes ?? MAX_BYTES,
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      maxRedirects: MAX_REDIRECTS,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    return judge(reply);
  } catch (error) {
    if (!(error instanceof FetchFailure)) throw error;
    const kind = error.kind === 'network' || error.kind === 'timeout' ? 'retry' : 'refused';
    return { kind, reason: error.message, status: null };
  }
}
