// Mends what replay can't reach: jobs whose time is over, and jobs without the queue items that should finish them
// (a crash between record and queue, an item lost). Tidies up from time to time. Runs on every worker; all of it is safe
// to repeat.
import { sweepInputs } from '@darkroom/shared/inputs/input-store.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import { withholdCalls } from '@darkroom/shared/jobs/steps.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { openItemsOf } from '@darkroom/shared/jobs/submit.ts';
import type { Deps } from '../deps.ts';
import { trimLists } from './trim-lists.ts';

const SWEEP_EVERY_MS = 1_000;
/** Lists of jobs are trimmed, and input images nobody needs removed. */
const TIDY_EVERY_MS = 60_000;
const INPUTS_A_SWEEP = 200;
const JOBS_A_SWEEP = 200;
/** A job in good order is looked at again after this long. */
const NEXT_LOOK_MS = 30_000;

export interface Sweeper {
  stop(): Promise<void>;
}

export function startSweep(deps: Deps): Sweeper {
  // Tidying may take long; jobs are not to wait for it.
  const sweepers = [repeat(deps, SWEEP_EVERY_MS, sweepOnce), repeat(deps, TIDY_EVERY_MS, tidy)];
  return {
    async stop() {
      await Promise.all(sweepers.map((sweeper) => sweeper.stop()));
    },
  };
}

/** One at a time; `stop` waits for the last. */
function repeat(deps: Deps, everyMs: number, work: (deps: Deps) => Promise<void>): Sweeper {
  let running: Promise<void> | null = null;
  const run = async (): Promise<void> => {
    try {
      await work(deps);
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

async function tidy(deps: Deps): Promise<void> {
  await trimLists(deps);
  const removed = await sweepInputs(deps, Date.now(), INPUTS_A_SWEEP);
  if (removed === 0) return;
  deps.metrics.inputsRemoved.inc(removed);
  deps.log.info({ removed }, 'input images removed: no job needs them any more');
}

/** Looks at every open job that is due. */
async function sweepOnce(deps: Deps): Promise<void> {
  const due = await deps.redis.zrangebyscore(deps.keys.openJobs, '-inf', Date.now(), 'LIMIT', 0, JOBS_A_SWEEP);
  for (const id of due) await lookAfter(deps, id);
}

async function lookAfter(deps: Deps, id: string): Promise<void> {
  const record = await readJob(deps.redis, deps.keys, id);
  if (record === null || hasEnded(record)) {
    await deps.redis.zrem(deps.keys.openJobs, id);
    return;
  }
  const isOver = Date.now() >= record.expiresAt;
  if (isOver && (await expire(deps, record))) return;
  await addLostItems(deps, record);
  const nextLook = Date.now() + NEXT_LOOK_MS;
  await deps.redis.zadd(deps.keys.openJobs, 'XX', isOver ? nextLook : Math.min(nextLook, record.expiresAt), id);
}

/** Withholds what has not been sent; true when that ended the job. */
async function expire(deps: Deps, record: JobRecord): Promise<boolean> {
  const result = await withholdCalls(deps.steps, record.id, record.spec.calls.length, 'expired');
  if (result.kind === 'gone' || !hasEnded(result)) return result.kind === 'gone';
  deps.metrics.sweepRepairs.inc({ kind: 'expired' });
  deps.metrics.jobsEnded.inc({ status: result.status });
  deps.log.info({ jobId: record.id, status: result.status }, 'job expired');
  await deps.queues.remove(record.spec.lane, openItemsOf(record));
  return true;
}

async function addLostItems(deps: Deps, record: JobRecord): Promise<void> {
  const items = openItemsOf(record);
  const exist = await deps.queues.exist(record.spec.lane, items);
  const lost = items.filter((_, index) => !exist[index]);
  if (lost.length === 0) return;
  await deps.queues.add(record.spec.lane, record.spec.priority, lost);
  deps.metrics.sweepRepairs.inc({ kind: 'item_added' }, lost.length);
  deps.log.warn(
    { jobId: record.id, calls: lost.map((item) => item.call) },
    'queue items were missing and have been added',
  );
}
