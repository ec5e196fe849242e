// Mends what replay can't reach, and tidies up. Every part runs on every worker, in bounded steps; all of it is safe to
// repeat, and what one worker has taken in hand no other mends as well. The parts are in sweep/, each with what it mends.
import { sweepInputs } from '@darkroom/shared/inputs/input-store.ts';
import type { Deps } from '../deps.ts';
import { sweepBatchMembers } from './sweep/batch-members.ts';
import { sweepLeftBehind } from './sweep/left-behind.ts';
import { sweepOpenJobs } from './sweep/open-jobs.ts';
import { sweepOrphanBytes } from './sweep/orphan-bytes.ts';
import { sweepMark } from './sweep/renew-mark.ts';
import { sweepUnlisted } from './sweep/unlisted.ts';
import { sweepLanes } from './sweep-lanes.ts';
import { trimLists } from './trim-lists.ts';

interface Part {
  readonly everyMs: number;
  readonly work: (deps: Deps, stop: AbortSignal) => Promise<void>;
}

/** Each on a clock of its own: what takes long is not to hold up the others. */
const PARTS: readonly Part[] = [
  { everyMs: 1_000, work: sweepOpenJobs },
  { everyMs: 1_000, work: sweepUnlisted },
  { everyMs: 5_000, work: sweepBatchMembers },
  { everyMs: 60_000, work: trimLists },
  { everyMs: 60_000, work: sweepLanes },
  { everyMs: 60_000, work: sweepDueInputs },
  { everyMs: 600_000, work: sweepLeftBehind },
  { everyMs: 600_000, work: sweepOrphanBytes },
  { everyMs: 600_000, work: sweepMark },
];

const INPUTS_A_SWEEP = 200;

export interface Sweeper {
  /** Resolves when nothing is being mended any more. */
  stop(): Promise<void>;
}

export function startSweep(deps: Deps): Sweeper {
  const stopping = new AbortController();
  const parts = PARTS.map((part) => repeat(deps, part, stopping.signal));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(parts.map((part) => part.stop()));
    },
  };
}

/** One at a time; `stop` waits for the last. */
function repeat(deps: Deps, { everyMs, work }: Part, stopping: AbortSignal): Sweeper {
  let running: Promise<void> | null = null;
  const run = async (): Promise<void> => {
    try {
      await work(deps, stopping);
    } catch (error) {
      deps.log.warn({ err: error, sweep: work.name }, 'sweep failed');
    }
    running = null;
  };
  const timer = setInterval(() => {
    running ??= run();
  }, everyMs);
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

async function sweepDueInputs(deps: Deps): Promise<void> {
  const removed = await sweepInputs(deps, Date.now(), INPUTS_A_SWEEP);
  if (removed === 0) return;
  deps.metrics.inputsRemoved.inc(removed);
  deps.log.info({ removed }, 'input images removed: no job needs them any more');
}
