// Sets the metrics of lanes and limits for a scrape: they are what Redis holds at that moment, whoever changed it.
import { RATES } from '@darkroom/shared/lanes/limit-state.ts';
import { type KeyState, type LaneState, readLanes } from '@darkroom/shared/lanes/read-lanes.ts';
import { LANES } from '@darkroom/shared/models/rules.ts';
import type { Deps } from '../deps.ts';

type Known = Pick<Deps, 'redis' | 'keys' | 'metrics' | 'logger'>;

/** While Redis is away they are left out rather than invented. */
export async function reportLanes({ redis, keys, metrics, logger }: Known): Promise<void> {
  const lanes = await readLanes(redis, keys, LANES).catch((error: unknown) => {
    logger.warn({ err: error }, 'the lanes could not be read');
    return [];
  });
  forget(metrics);
  for (const lane of lanes) {
    metrics.laneOpenCalls.set({ model: lane.id }, lane.openCalls);
    for (const key of lane.keys) reportKey(metrics, lane, key);
  }
}

function forget(metrics: Deps['metrics']): void {
  metrics.laneOpenCalls.reset();
  metrics.laneLimitPerMinute.reset();
  metrics.laneLimitAvailable.reset();
  metrics.laneStoppedSeconds.reset();
  metrics.lanePermitsInUse.reset();
  metrics.upstreamKeyPaused.reset();
}

function reportKey(metrics: Deps['metrics'], { id: model }: LaneState, { name: key, paused, limits }: KeyState): void {
  metrics.upstreamKeyPaused.set({ key }, paused === null ? 0 : 1);
  const stops = limits.map(({ stoppedUntil }) => (stoppedUntil ?? 0) - Date.now());
  metrics.laneStoppedSeconds.set({ model, key }, Math.max(0, ...stops) / 1_000);
  metrics.lanePermitsInUse.set({ model, key }, limits[0]?.concurrency.inUse ?? 0);
  for (const kind of RATES) {
    const rates = limits.flatMap((limit) => limit.rates[kind] ?? []);
    if (rates.length === 0) continue;
    metrics.laneLimitPerMinute.set({ model, key, kind }, Math.min(...rates.map(({ limit }) => limit)));
    metrics.laneLimitAvailable.set({ model, key, kind }, Math.min(...rates.map(({ available }) => available)));
  }
}
