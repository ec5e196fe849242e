// When an answer that waits is looked at again. In memory: a worker that starts looks at all of them.
import { type AnswerId, entryOf } from '@darkroom/shared/jobs/spool-steps.ts';
import type { Drained } from './drain-answer.ts';

/** While links or hosts are waited for; a link is asked less often the longer it leads to nothing, but not in its last moments. */
export const WAITING_MS = 2_000;
const LONGEST_WAITING_MS = 10_000;
const LAST_MOMENTS_MS = 30_000;
/** An answer that only its own host has is looked at again after this long. */
const OTHERS_MS = 30_000;
/** One whose links could not be looked at for a reason of its own: behind the others by then. */
const FAILED_MS = 10_000;
/** One that the storage refuses, though it is there: somebody has to mend that, but it may have been a moment's trouble. */
const FIRST_REFUSED_MS = 5_000;
const LONGEST_REFUSED_MS = 600_000;

/** What became of an answer when it was looked at. null: another has it just now. */
export type Look = Drained | 'failed' | null;

/** Unix ms, and the pause before it. */
export interface Pause {
  readonly at: number;
  readonly pauseMs: number;
}

function afterRefusal(beforeMs: number): number {
  return Math.min(LONGEST_REFUSED_MS, Math.max(FIRST_REFUSED_MS, beforeMs * 2));
}

/** ms; 0 = none. `beforeMs`: the pause before this look; `leftMs`: until the answer's time is over. */
function pauseAfter(end: Look, beforeMs: number, leftMs: number): number {
  if (end === 'host') return OTHERS_MS;
  if (end === 'failed') return FAILED_MS;
  if (end !== 'links') return 0;
  return leftMs < LAST_MOMENTS_MS ? WAITING_MS : Math.min(LONGEST_WAITING_MS, Math.max(WAITING_MS, beforeMs * 1.5));
}

/** Of an answer whose bytes are not here, whose time is over at `until`; null = it is looked at again as soon as may be. */
export function nextLook(end: Look, before: Pause | undefined, until: number, now: number): Pause | null {
  const beforeMs = before?.pauseMs ?? 0;
  if (end === 'refused') return { at: now + afterRefusal(beforeMs), pauseMs: afterRefusal(beforeMs) };
  const pauseMs = pauseAfter(end, beforeMs, until - now);
  return pauseMs === 0 ? null : { at: Math.min(now + pauseMs, Math.max(until, now)), pauseMs };
}

/** Answers whose bytes are here and that the storage refuses: behind all others, after pauses that grow. */
export class PutOff {
  readonly #pauses = new Map<string, Pause>();

  get size(): number {
    return this.#pauses.size;
  }

  has(id: AnswerId): boolean {
    return this.#pauses.has(entryOf(id));
  }

  isDue(id: AnswerId, now: number): boolean {
    return (this.#pauses.get(entryOf(id))?.at ?? 0) <= now;
  }

  add(id: AnswerId, now: number): void {
    const pauseMs = afterRefusal(this.#pauses.get(entryOf(id))?.pauseMs ?? 0);
    this.#pauses.set(entryOf(id), { at: now + pauseMs, pauseMs });
  }

  /** The others wait no longer. */
  keep(ids: readonly AnswerId[]): void {
    const entries = new Set(ids.map(entryOf));
    for (const entry of this.#pauses.keys()) if (!entries.has(entry)) this.#pauses.delete(entry);
  }
}
