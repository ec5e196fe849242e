// How much of a limit Darkroom takes at once: a little less than was told, so that what is told to be allowed is not
// refused because requests came closer together than they were sent.
import type { ToldLimit } from '../base/variables.ts';

const DEFAULT_BURST_SECONDS = 5;
/**
 * Requests reach the upstream unevenly late: the first ones open connections, a busy process sends late. With a bucket of the
 * upstream's just as large as the burst, being late by t first and then in time is t more than it holds. Measured with
 * bench:quota («burst seen»): 80 to 170 ms with 4 workers on two cores at a load of 40.
 */
const UNEVEN_MS = 250;
const LARGEST_SHARE = 0.25;

/** ms of a limit's refill that calls may take at once. */
export function burstMsOf(told: ToldLimit | undefined): number {
  const toldMs = (told?.burst_seconds ?? DEFAULT_BURST_SECONDS) * 1_000;
  return toldMs - Math.min(UNEVEN_MS, toldMs * LARGEST_SHARE);
}
