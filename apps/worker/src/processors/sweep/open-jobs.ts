// Looks after every job that has not ended: ends those whose time is over and those that wait for a worker that is gone, adds the queue items that are missing. Jobs are
// taken one by one from the list of open jobs, so that each is looked at by one worker at a time.
import { loadScript, runScript } from '@darkroom/shared/base/redis.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import { withholdCalls } from '@darkroom/shared/jobs/steps.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { openItemsOf } from '@darkroom/shared/jobs/submit.ts';
import type { Deps } from '../../deps.ts';
import { endLostAttempts } from './lost-attempts.ts';
import { addLostItems } from './lost-items.ts';
import { reportRepair } from './repair.ts';

const TAKE_DUE = loadScript(import.meta.url, 'lua/take-due.lua');

const JOBS_A_SWEEP = 200;
const JOBS_AT_ONCE = 50;
/** A job in good order is looked at again after this long… */
const NEXT_LOOK_MS = 30_000;
/** …or, with so many open that the sweeps would fall behind, later: one whose time is over must not queue behind them. */
const LOOK_MS_A_JOB = 10;

export async function sweepOpenJobs(deps: Deps): Promise<void> {
  const { redis, keys } = deps;
  const nextLookMs = Math.max(NEXT_LOOK_MS, (await redis.zcard(keys.openJobs)) * LOOK_MS_A_JOB);
  for (let looked = 0; looked < JOBS_A_SWEEP; looked += JOBS_AT_ONCE) {
    const due = (await runScript(redis, TAKE_DUE, [keys.openJobs], [JOBS_AT_ONCE, nextLookMs])) as string[];
    await Promise.all(due.map((id) => lookAfterOne(deps, id)));
    if (due.length < JOBS_AT_ONCE) return;
  }
}

/** A job whose record can't be read keeps nobody from looking after the others. */
async function lookAfterOne(deps: Deps, id: string): Promise<void> {
  try {
    await lookAfter(deps, id, await readJob(deps.redis, deps.keys, id));
  } catch (error) {
    deps.log.error({ err: error, jobId: id }, 'an open job could not be looked after');
  }
}

async function lookAfter(deps: Deps, id: string, record: JobRecord | null): Promise<void> {
  if (record === null || hasEnded(record)) {
    await deps.redis.zrem(deps.keys.openJobs, id);
    return;
  }
  const isOver = Date.now() >= record.expiresAt;
  if (isOver && (await expire(deps, record))) return;
  await endLostAttempts(deps, record);
  await addLostItems(deps, record);
  if (!isOver) await deps.redis.zadd(deps.keys.openJobs, 'XX', 'LT', record.expiresAt, id);
}

/** Withholds what has not been sent; true when that ended the job. */
async function expire(deps: Deps, record: JobRecord): Promise<boolean> {
  const result = await withholdCalls(deps.steps, record.id, record.spec.calls.length, 'expired');
  if (result.kind === 'gone' || !hasEnded(result)) return result.kind === 'gone';
  if (result.kind === 'ended') return true;
  deps.metrics.jobsEnded.inc({ status: result.status });
  reportRepair(deps, 'expired', 1, { jobId: record.id, status: result.status });
  await deps.queues.remove(record.spec.lane, openItemsOf(record));
  return true;
}
