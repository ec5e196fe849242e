// Notices that a batch is no longer to be fed, while its worker waits for something slow.
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import type { Deps } from '../../deps.ts';

const LOOK_EVERY_MS = 1_000;

export interface BatchWatch {
  /** Aborts when the batch was cancelled or its time is over. */
  readonly over: AbortSignal;
  close(): void;
}

export function watchBatch({ redis, keys, log }: Deps, { id, status, expiresAt }: BatchRecord): BatchWatch {
  const over = new AbortController();
  const look = async (): Promise<void> => {
    if (Date.now() >= expiresAt || (await redis.hget(keys.batch(id), 'status')) !== status) over.abort();
  };
  const timer = setInterval(() => {
    look().catch((error: unknown) => log.warn({ err: error, batchId: id }, 'batch could not be looked at'));
  }, LOOK_EVERY_MS);
  return { over: over.signal, close: () => clearInterval(timer) };
}
