// The circuit breaker of image links, one per lane and process, in memory. An answer none of whose links could be fetched opens
// it: such answers wait in Redis, free their places, and may be lost with their links, so they are not bought by the thousand.
//   closed ──failed──▶ open: one call every 30 s finds out ──an image was stored, or no such answer waits any more──▶ closed
// A download tried again later never opens it: one bad link among good ones is no reason to stop.
import { type AnswerId, entryOf } from '@darkroom/shared/jobs/spool-steps.ts';
import type { Metrics } from '@darkroom/shared/telemetry/metrics.ts';
import type { Logger } from 'pino';

const PROBE_EVERY_MS = 30_000;

export interface LinkBreaker {
  /** Whether the lane may start no call now. */
  isShut(lane: string): boolean;
  /** For a call about to be sent: while the breaker is open it is the one that finds out, and the next may follow in 30 s. */
  mayBegin(lane: string): boolean;
  /** Not one of a new answer's links could be fetched, now. */
  failed(lane: string, id: AnswerId): void;
  /** What a link of the lane led to is stored. */
  worked(lane: string): void;
  /** The answers that keep lanes open. */
  pending(): AnswerId[];
  /** These wait no longer. */
  settled(ids: readonly AnswerId[]): void;
  /** Resolves when the lane may start a call. Rejects with the signal's reason. */
  untilMayBegin(lane: string, signal: AbortSignal): Promise<void>;
}

interface Open {
  readonly pending: Map<string, AnswerId>;
  /** Unix ms. */
  probeAt: number;
  readonly closed: AbortController;
}

export function buildLinkBreaker({ metrics, log }: { readonly metrics: Metrics; readonly log: Logger }): LinkBreaker {
  const lanes = new Map<string, Open>();
  const open = (lane: string): Open => {
    log.error({ lane }, 'links to paid images can’t be followed: one new call every 30 s until one can');
    metrics.linkBreakerOpen.set({ model: lane }, 1);
    const opened: Open = { pending: new Map(), probeAt: Date.now() + PROBE_EVERY_MS, closed: new AbortController() };
    lanes.set(lane, opened);
    return opened;
  };
  const close = (lane: string, { closed }: Open, why: string): void => {
    lanes.delete(lane);
    closed.abort();
    metrics.linkBreakerOpen.set({ model: lane }, 0);
    log.info({ lane }, why);
  };
  const isShut = (lane: string): boolean => Date.now() < (lanes.get(lane)?.probeAt ?? 0);
  return {
    isShut,
    mayBegin(lane) {
      if (isShut(lane)) return false;
      const opened = lanes.get(lane);
      if (opened !== undefined) opened.probeAt = Date.now() + PROBE_EVERY_MS;
      return true;
    },
    failed(lane, id) {
      const { pending } = lanes.get(lane) ?? open(lane);
      pending.set(entryOf(id), id);
    },
    worked(lane) {
      const opened = lanes.get(lane);
      if (opened !== undefined) close(lane, opened, 'links to paid images can be followed: calls go on');
    },
    pending: () => [...lanes.values()].flatMap(({ pending }) => [...pending.values()]),
    settled(ids) {
      for (const [lane, opened] of lanes) {
        for (const id of ids) opened.pending.delete(entryOf(id));
        if (opened.pending.size === 0) close(lane, opened, 'no links to paid images wait any more: calls go on');
      }
    },
    async untilMayBegin(lane, signal) {
      for (;;) {
        signal.throwIfAborted();
        const opened = lanes.get(lane);
        const waitMs = (opened?.probeAt ?? 0) - Date.now();
        if (opened === undefined || waitMs <= 0) return;
        await passed(waitMs, AbortSignal.any([signal, opened.closed.signal]));
      }
    },
  };
}

/** Resolves after `ms`, or when `signal` aborts. */
async function passed(ms: number, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, ms);
  const leave = (): void => over.resolve();
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  await over.promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', leave);
}
