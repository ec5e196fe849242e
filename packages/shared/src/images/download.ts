// Fetches the image behind a URL in an upstream's reply, at once, through the guard. Whether the bytes are an image is for
// `inspectImage` to say.

import type { GuardedAgent } from '../net/guard.ts';
import { FetchFailure, type GuardedReply, guardedFetch } from '../net/guarded-fetch.ts';

/** Whether a URL that led to nothing may lead to the image later no reply tells: a host may be away, set wrong, or not have it yet. */
export type Download =
  | { readonly kind: 'ok'; readonly bytes: Buffer; readonly contentType: string | null }
  | { readonly kind: 'failed'; readonly reason: string; readonly status: number | null };

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

function judge(reply: GuardedReply): Download {
  const { status, headers, body } = reply;
  const failed = (reason: string): Download => ({ kind: 'failed', reason, status });
  if (status !== 200) return failed(`the server answered ${status}`);
  const announced = headers['content-length'];
  if (announced !== undefined && Number(announced) !== body.length) {
    return failed(`${body.length} of ${announced} bytes arrived`);
  }
  if (body.length === 0) return failed('the reply is empty');
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
    return { kind: 'failed', reason: error.message, status: null };
  }
}
