// The circuit breaker of the image storage, one per process: closed · open, after the storage has failed here, or another
// process says that it has failed there. While it is open nothing is sent upstream; whoever drains the spool probes the
// storage and closes it. Whoever opens it by failing tells the others, who then probe before their next call.
import type { Keys } from '@darkroom/shared/base/keys.ts';
import type { Metrics } from '@darkroom/shared/telemetry/metrics.ts';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { buildAwayNote } from './away-note.ts';

export interface Breaker {
  readonly isOpen: boolean;
  /** The storage has failed. */
  trip(reason: string): void;
  /** The storage may be away: no new calls until it has been tried. */
  doubt(reason: string): void;
  /** The storage works. */
  close(): void;
  /** Resolves at once unless it is open. Rejects with the signal's reason. */
  untilClosed(signal: AbortSignal): Promise<void>;
  /** Called each time it opens, until the function this returns is called. */
  onOpen(listener: () => void): () => void;
  /** Hears what other processes have seen; `subscriber` becomes pub/sub only. */
  listen(subscriber: Redis): Promise<void>;
  /** Tells others nothing any more. */
  stop(): void;
}

export interface BreakerOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Which of the messages are its own. */
  readonly processId: string;
}

export function buildBreaker({ redis, keys, metrics, log, processId }: BreakerOptions): Breaker {
  /** Settles when it closes; null = it is closed. */
  let open: PromiseWithResolvers<void> | null = null;
  /** What was last said of it, so that only news is logged. */
  let known: string | null = null;
  const listeners = new Set<() => void>();
  const note = buildAwayNote({ redis, keys }, (error) =>
    log.warn({ err: error }, 'the APIs could not be told how the storage is'),
  );

  const openUp = (): boolean => {
    const isNews = open === null;
    open ??= Promise.withResolvers();
    metrics.storageBreakerOpen.set(1);
    if (isNews) for (const listener of listeners) listener();
    return isNews;
  };
  const publish = async (): Promise<void> => {
    await redis.publish(keys.storageChanges, processId);
  };

  const breaker: Breaker = {
    get isOpen() {
      return open !== null;
    },
    trip(reason) {
      metrics.storageErrors.inc();
      openUp();
      note.say(reason);
      if (reason !== known) log.error({ reason }, 'the image storage is away: no new calls until it is back');
      const wasKnown = known !== null;
      known = reason;
      // Said by whoever has seen it; one that only doubted had nothing to say.
      if (wasKnown) return;
      publish().catch((error: unknown) =>
        log.warn({ err: error }, 'others could not be told that the storage is away'),
      );
    },
    doubt(reason) {
      if (openUp()) log.warn({ reason }, 'the image storage may be away: it is tried before new calls');
    },
    close() {
      if (open === null) return;
      open.resolve();
      open = null;
      known = null;
      note.takeBack();
      metrics.storageBreakerOpen.set(0);
      log.info('the image storage works: calls go on');
    },
    async untilClosed(signal) {
      if (open === null) return;
      const aborted = Promise.withResolvers<never>();
      const leave = (): void => aborted.reject(signal.reason);
      if (signal.aborted) leave();
      signal.addEventListener('abort', leave, { once: true });
      try {
        await Promise.race([open.promise, aborted.promise]);
      } finally {
        signal.removeEventListener('abort', leave);
      }
    },
    onOpen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async listen(subscriber) {
      subscriber.on('message', (channel: string, from: string) => {
        if (channel === keys.storageChanges && from !== processId) breaker.doubt('another worker has seen it fail');
      });
      await subscriber.subscribe(keys.storageChanges);
    },
    stop() {
      note.stop();
    },
  };
  return breaker;
}
