// Says, once a start, when the storage is an S3 server without conditional puts: there a put that was held up may replace
// the image of a newer answer, against what is promised.
import type { Deps } from '../deps.ts';

type StorageDeps = Pick<Deps, 'breaker' | 'store' | 'log'>;

/** Looks as soon as the storage is there, once. */
export function startCheckingStorage(deps: StorageDeps): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const checking = check(deps, stopping.signal).catch((error: unknown) => {
    if (!stopping.signal.aborted)
      deps.log.warn({ err: error }, 'whether the storage has conditional puts is not known');
  });
  return {
    async stop() {
      stopping.abort();
      await checking;
    },
  };
}

async function check({ breaker, store, log }: StorageDeps, signal: AbortSignal): Promise<void> {
  if (store.kind === 'disk') return;
  await breaker.untilClosed(signal);
  if (await store.keepsFirst()) return;
  log.warn('the S3 server has no conditional puts: the late put of a frozen worker may replace a newer image');
}
