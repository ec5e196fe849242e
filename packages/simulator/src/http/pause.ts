/** Waits, unless the simulator closes. */
import { setTimeout as delay } from 'node:timers/promises';

/** True after `ms` milliseconds, false as soon as `closing` is aborted. */
export async function pause(ms: number, closing: AbortSignal): Promise<boolean> {
  if (closing.aborted) return false;
  if (ms <= 0) return true;
  try {
    await delay(ms, undefined, { signal: closing });
    return true;
  } catch (error) {
    if (closing.aborted) return false;
    throw error;
  }
}
