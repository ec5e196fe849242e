// Waiting for a fact: asked again and again until it holds. Tests never sleep for anything else.
import { setTimeout as pause } from 'node:timers/promises';

/** Asking costs the test and the service a millisecond or more each: what is long in coming is asked for less often, ms. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 150;
const SHARE_OF_THE_WAIT = 0.1;

/** What is no fact yet: Redis answers «is it there?» with 0. */
type NotYet = null | undefined | false | 0 | '';

/** The first answer that is a fact. Throws after `timeoutMs`, saying what was waited for. */
export async function until<T>(
  what: string,
  fact: () => Promise<T | NotYet> | T | NotYet,
  timeoutMs = 15_000,
): Promise<T> {
  const startedAt = performance.now();
  let last: unknown = null;
  for (;;) {
    try {
      const answer = await fact();
      if (answer) return answer;
      last = answer;
    } catch (error) {
      last = error; // a process that is being restarted refuses connections for a moment
    }
    const waited = performance.now() - startedAt;
    if (waited > timeoutMs) {
      throw new Error(`not within ${timeoutMs} ms: ${what}${last instanceof Error ? ` (${last.message})` : ''}`, {
        cause: last,
      });
    }
    await pause(Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, waited * SHARE_OF_THE_WAIT)));
  }
}
