// The worker process: config → deps → workers; SIGTERM finishes what has been sent and exits.
import './file-threads.ts';
import '@darkroom/shared/base/young-generation.ts';
import { ConfigError } from '@darkroom/shared/base/config.ts';
import { openRedis } from '@darkroom/shared/base/redis.ts';
import { readConfig } from './config.ts';
import { type Deps, openDeps } from './deps.ts';
import { startHttp } from './http.ts';
import { watchLimitChanges } from './limit-changes.ts';
import { startBatches } from './processors/batches/run-batches.ts';
import { startCheckingStorage } from './processors/check-storage.ts';
import { startDraining } from './processors/drain-spool.ts';
import { startRefreshingShutdownDates } from './processors/refresh-shutdown-dates.ts';
import { startSweep } from './processors/sweep.ts';
import { startAnnouncing } from './processors/webhooks/start-announcing.ts';
import { startWebhookWorker } from './webhook-worker.ts';
import { startLaneWorkers } from './worker.ts';

const FIRST_DRAIN_MS = 10_000;

async function main(): Promise<void> {
  const config = readConfig();
  const deps = await openDeps(config);
  const connection = await openRedis(config.REDIS_URL, 'patient', (error) =>
    deps.log.warn({ err: error }, 'queue connection'),
  );
  const subscriber = await openRedis(config.REDIS_URL, 'patient', (error) =>
    deps.log.warn({ err: error }, 'subscriber connection'),
  );
  await deps.breaker.listen(subscriber);
  const drainer = startDraining(deps);
  // What a restart finds comes before new calls; a server that does not answer must not keep them from starting.
  await within(FIRST_DRAIN_MS, drainer.firstLook);
  const lanes = startLaneWorkers(deps, connection);
  const storageCheck = startCheckingStorage(deps);
  const sweep = startSweep(deps);
  const shutdownDates = startRefreshingShutdownDates(deps);
  const batches = startBatches(deps);
  const announcer = await startAnnouncing(deps, subscriber);
  await watchLimitChanges(deps, subscriber, () => lanes.wake());
  const webhooks = startWebhookWorker(deps, connection);
  const http = config.PORT === null ? null : await startHttp(deps, config.HOST, config.PORT);
  deps.log.info({ concurrency: config.WORKER_CONCURRENCY, upstreamKeys: deps.upstreamKeys }, 'worker ready');

  await firstStopSignal();
  process.once('SIGTERM', exitNow).once('SIGINT', exitNow);
  deps.log.info({ underWay: deps.slots.taken }, 'worker stops: no new calls');
  const parts = [lanes, drainer, storageCheck, sweep, shutdownDates, batches, announcer, webhooks];
  const isClean = await within(config.SHUTDOWN_TIMEOUT_MS, Promise.all(parts.map((part) => part.stop())));
  if (!isClean) return leaveOpen(deps);
  http?.close();
  connection.disconnect();
  subscriber.disconnect();
  await deps.close();
  deps.log.info('worker stopped');
  process.exit(0);
}

function firstStopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve()).once('SIGINT', () => resolve());
  });
}

function exitNow(): never {
  process.exit(1);
}

/** Whether `work` ended in time. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const isClean = await Promise.race([work.then(() => true as const), late]);
  clearTimeout(timer);
  return isClean;
}

/** Attempts still open become unknown when their calls are taken up again; webhooks still open are sent again. */
function leaveOpen(deps: Deps): never {
  const attempts = deps.underWay.names;
  if (attempts.length === 0) {
    deps.log.warn('worker stopped before all its work was handed back; others take it up');
    process.exit(0);
  }
  deps.log.error({ attempts }, 'worker stopped with attempts left open');
  process.exit(1);
}

try {
  await main();
} catch (error) {
  process.stderr.write(
    `${error instanceof ConfigError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(1);
}
