// Keeps announcing while the process runs: woken by each event a webhook wants, and on a clock for what has become due.
import type { Redis } from 'ioredis';
import { sleepUnlessAborted } from '../../verdict.ts';
import { type AnnounceDeps, announceOnce } from './announce.ts';

const AFTER_ERROR_MS = 1_000;

export interface Announcer {
  /** Resolves when the round under way is done. */
  stop(): Promise<void>;
}

/** `subscriber` becomes pub/sub only; whoever opened it closes it. */
export async function startAnnouncing(deps: AnnounceDeps, subscriber: Redis): Promise<Announcer> {
  const stopping = new AbortController();
  let news = new AbortController();
  subscriber.on('message', () => news.abort());
  await subscriber.subscribe(deps.keys.outboxChanges);

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      news = new AbortController();
      const isMore = await announceOrLog(deps, stopping.signal);
      const wake = AbortSignal.any([news.signal, stopping.signal]);
      if (!isMore) await sleepUnlessAborted(deps.webhooks.lookEveryMs, wake);
    }
  };
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function announceOrLog(deps: AnnounceDeps, stopping: AbortSignal): Promise<boolean> {
  try {
    return await announceOnce(deps);
  } catch (error) {
    if (stopping.aborted) return false;
    deps.log.warn({ err: error }, 'webhooks could not be announced');
    await sleepUnlessAborted(AFTER_ERROR_MS, stopping);
    return false;
  }
}
