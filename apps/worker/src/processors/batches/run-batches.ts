// Carries batches from validation to their output files. Each open batch is run by one worker at a time, which holds its
// lease; when that worker dies, another takes over from the saved cursor and repeats no line.
import { randomUUID } from 'node:crypto';
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { type BatchProblem, type BatchRecord, hasBatchEnded } from '@darkroom/shared/batches/record.ts';
import { moveBatch } from '@darkroom/shared/batches/steps.ts';
import { readBatch } from '@darkroom/shared/batches/store.ts';
import type { Deps } from '../../deps.ts';
import { type Lease, takeLease } from '../../lease.ts';
import { sleepUnlessAborted } from '../../verdict.ts';
import { cancelOpenJobs } from './cancel-open-jobs.ts';
import { closeFeeding } from './close-feeding.ts';
import { Feeder } from './feed-batch.ts';
import { finishBatch } from './finish-batch.ts';
import { keepJobsWithBatch } from './keep-jobs.ts';
import { validateBatch } from './validate-batch.ts';

const LOOK_EVERY_MS = 500;
/** A dead worker's batches are taken over after this long. */
const LEASE_MS = 15_000;
/** How often a running batch looks whether jobs have ended and there is room for more. */
const TURN_MS = 200;
/** After storage or Redis failed under a batch. */
const AFTER_ERROR_MS = 2_000;
const MOST_BATCHES = 20;

export interface BatchRunner {
  /** Running batches are left where they are, for another worker; resolves when none is touched any more. */
  stop(): Promise<void>;
}

export function startBatches(deps: Deps): BatchRunner {
  const stopping = new AbortController();
  const running = new Map<string, Promise<void>>();
  const owner = randomUUID();
  const look = async (): Promise<void> => {
    while (await sleepUnlessAborted(LOOK_EVERY_MS, stopping.signal)) {
      try {
        await startNew(deps, owner, running, stopping.signal);
      } catch (error) {
        deps.log.warn({ err: error }, 'batches could not be looked at');
      }
    }
  };
  const looking = look();
  return {
    async stop() {
      stopping.abort();
      await looking;
      await Promise.all(running.values());
    },
  };
}

async function startNew(
  deps: Deps,
  owner: string,
  running: Map<string, Promise<void>>,
  stopping: AbortSignal,
): Promise<void> {
  const open = await deps.redis.zrange(deps.keys.openBatches, '0', '-1');
  for (const id of open) {
    if (running.has(id) || running.size >= MOST_BATCHES || stopping.aborted) continue;
    const lease = await takeLease(deps, { key: deps.keys.batchLease(id), owner, leaseMs: LEASE_MS });
    if (lease === null) continue;
    const run = runUnderLease(deps, id, lease, stopping).finally(() => running.delete(id));
    running.set(id, run);
  }
}

async function runUnderLease(deps: Deps, id: string, lease: Lease, stopping: AbortSignal): Promise<void> {
  try {
    await runBatch(deps, id, lease, stopping);
  } catch (error) {
    deps.log.error({ err: error, batchId: id }, 'batch stopped; it goes on from its cursor');
  }
  await lease.release();
}

/** Turns until the batch has ended, the lease is lost or the process stops. */
async function runBatch(deps: Deps, id: string, lease: Lease, stopping: AbortSignal): Promise<void> {
  const stop = AbortSignal.any([stopping, lease.lost]);
  const feeder = new Feeder(deps);
  try {
    while (!stop.aborted) {
      const record = await readBatch(deps.redis, deps.keys, id);
      if (record === null || hasBatchEnded(record)) return;
      const restMs = await turnOrRest(deps, record, feeder, stop);
      await sleepUnlessAborted(restMs, stop);
    }
  } finally {
    await feeder.close();
  }
}

/** One turn; ms to rest before the next. */
async function turnOrRest(deps: Deps, record: BatchRecord, feeder: Feeder, stop: AbortSignal): Promise<number> {
  try {
    return (await turn(deps, record, feeder, stop)) ? 0 : TURN_MS;
  } catch (error) {
    if (isInputGone(error)) return (await failWithoutInput(deps, record)) ? 0 : TURN_MS;
    if (!stop.aborted) deps.log.warn({ err: error, batchId: record.id, status: record.status }, 'batch has to wait');
    await feeder.close();
    return AFTER_ERROR_MS;
  }
}

/** True when something moved and the next turn may come at once. */
async function turn(deps: Deps, record: BatchRecord, feeder: Feeder, stop: AbortSignal): Promise<boolean> {
  switch (record.status) {
    case 'validating':
      return validateBatch(deps, record);
    case 'in_progress':
      return (await feeder.feed(record, stop)) || (await closeFeeding(deps, record));
    case 'cancelling':
      await cancelOpenJobs(deps, record);
      return closeFeeding(deps, record);
    case 'finalizing':
      return finishBatch(deps, record, stop);
    case 'failed':
    case 'completed':
    case 'expired':
    case 'cancelled':
      return false;
  }
}

function isInputGone(error: unknown): boolean {
  return error instanceof ServiceError && error.code === 'not_found';
}

/**
 * The input has vanished from storage: the batch can't go on and says so. What has not been sent is not bought any more; its
 * jobs, what is paid, and the files of an earlier run stay. False while calls are under way.
 */
async function failWithoutInput(deps: Deps, record: BatchRecord): Promise<boolean> {
  await cancelOpenJobs(deps, record);
  if ((await deps.redis.scard(deps.keys.batchOpenJobs(record.id))) > 0) return false;
  await keepJobsWithBatch(deps, record);
  const problem: BatchProblem = {
    code: 'input_file_gone',
    line: null,
    message: "The batch's input file is gone.",
    param: 'input_file_id',
  };
  return moveBatch(deps.batchSteps, record, record.status, 'failed', { problems: JSON.stringify([problem]) });
}
