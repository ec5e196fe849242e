// Says that this host has its answers, whether the storage answers or not: a disk that hangs (a network mount whose server is
// away) holds up the look at it and who drains, for as long as it likes, and other hosts would count this one as gone. It may
// also take every thread that this process has for files: what is known to be here is then said without a look.
import { setTimeout as sleep } from 'node:timers/promises';
import { type AnswerId, entryOf, sayStillThere, untilOf } from '@darkroom/shared/jobs/spool-steps.ts';
import type { Deps } from '../deps.ts';
import { isToBeSaid } from './drain-answer.ts';
import { HOST_PATIENCE_MS } from './spool-answer.ts';

const SAY_EVERY_MS = 5_000;
/** A look at our own folder that takes longer goes on by itself. */
const LOOK_MS = 2_000;

/**
 * One round, and how long to wait until the next, ms. `sayNew`: for answers Redis knows nothing of; it reads their files. It is
 * told of them at the second look, as most are in somebody's hands at the first.
 */
export function buildSayer(deps: Deps, sayNew: (ids: readonly AnswerId[]) => Promise<void>): () => Promise<number> {
  let here: readonly AnswerId[] = [];
  let newBefore = new Set<string>();
  const look = oneAtATime(async () => {
    here = await deps.ownAnswers.list();
    const untils = await untilOf(deps.steps, here);
    const unknown = here.filter((_, place) => untils[place] === null);
    const stillUnknown = unknown.filter((id) => newBefore.has(entryOf(id)));
    newBefore = new Set(unknown.map(entryOf));
    await sayNew(stillUnknown);
  });
  return async () => {
    await look();
    await renew(deps, here);
    return SAY_EVERY_MS;
  };
}

/** Answers that Redis knows of; what is settled by now, or waits for another host, is none of them. */
async function renew({ steps, spool }: Deps, here: readonly AnswerId[]): Promise<void> {
  const untils = await untilOf(steps, here);
  const isDue = (until: number | null): boolean => until !== null && isToBeSaid(until);
  for (const id of here.filter((_, place) => isDue(untils[place] ?? null)))
    await sayStillThere(steps, id, spool.hostId, Date.now() + HOST_PATIENCE_MS);
}

/** Resolves after `LOOK_MS` at the latest; while one hangs no other begins. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return async () => {
    running ??= work().finally(() => {
      running = null;
    });
    const over = new AbortController();
    const late = sleep(LOOK_MS, undefined, { signal: over.signal }).catch(() => undefined); // ended below
    await Promise.race([running, late]).finally(() => over.abort());
  };
}
