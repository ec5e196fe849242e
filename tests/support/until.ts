// Waiting for a fact: asked again and again until it holds. Tests never sleep for anything else.
import { setTimeout as pause } from 'node:timers/promises';

const EVERY_MS = 20;

/** What is no fact yet: Redis answers «is it there?» with 0. */
type NotYet = null | undefined | false | 0 | '';

/** The first answer that is a fact. Throws after `timeoutMs`, saying what was waited for. */
export async function until<T>(
  what: string,
  fact: () => Promise<T | NotYet> | T | NotYet,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown = null;
  for (;;) {
    try {
      const answer = await fact();
      if (answer) return answer;
      last = answer;
    } catch (error) {
      last = error; // a process that is being restarted refuses connections for a moment
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${what}${last instanceof Error ? ` (${last.message})` : ''}`, {
        cause: last,
      });
    }
    await pause(EVERY_MS);
  }
}
