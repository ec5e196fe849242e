// What was done to a process at a moment, as the timeline has it.
import type { TimelineEntry } from '../world/timeline.ts';

/** The kill that ended the process that was alive at `at`; null when it lived on, or ended in order. */
export function killAfter(timeline: readonly TimelineEntry[], process: string, at: number): TimelineEntry | null {
  const after = timeline.find(
    (entry) => entry.process === process && entry.at >= at && /^(kill|stop|live)$/.test(entry.what),
  );
  return after?.what === 'kill' ? after : null;
}

/** Whether the process was dead at `at`: bytes that reached its host then reached nobody. */
export function isDown(timeline: readonly TimelineEntry[], process: string, at: number): boolean {
  const before = timeline.findLast((entry) => entry.process === process && entry.at <= at);
  return before !== undefined && /^(kill|stop|gone|start|would not start|ended by itself)$/.test(before.what);
}

/** A connection that breaks takes what its process has not read yet with it. */
const UNREAD_MS = 1_500;

/** Whether all connections broke so soon after `at` that the process may not have read what was sent to it by then. */
export function isCutOff(timeline: readonly TimelineEntry[], process: string, at: number): boolean {
  return timeline.some(
    (entry) =>
      entry.what === 'upstream cut' &&
      entry.at >= at &&
      entry.at - at - frozenMs(timeline, process, at, entry.at) <= UNREAD_MS,
  );
}

/** How long the process stood still between two moments, ms. */
export function frozenMs(timeline: readonly TimelineEntry[], process: string, from: number, to: number): number {
  let total = 0;
  let since: number | null = null;
  for (const { at, what, process: who } of timeline) {
    if (who !== process) continue;
    if (what === 'freeze') since = at;
    if (what !== 'thaw' && what !== 'kill') continue;
    if (since !== null) total += Math.max(0, Math.min(at, to) - Math.max(since, from));
    since = null;
  }
  return total;
}
