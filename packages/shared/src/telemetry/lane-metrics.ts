// The metrics of lanes and their limits, registered by metrics.ts. The API sets them at each scrape; elsewhere they stay empty.
import { Gauge, type Registry } from 'prom-client';

export function laneMetrics(registers: Registry[]) {
  const perKey = ['model', 'key'] as const;
  const perKind = ['model', 'key', 'kind'] as const;
  return {
    laneOpenCalls: new Gauge({
      name: 'darkroom_lane_open_calls',
      help: 'Calls of a lane without an outcome.',
      labelNames: ['model'] as const,
      registers,
    }),
    laneLimitPerMinute: new Gauge({
      name: 'darkroom_lane_limit_per_minute',
      help: 'The least limit that holds for a lane under an upstream key, by kind (images, requests, tokens), where one is known.',
      labelNames: perKind,
      registers,
    }),
    laneLimitAvailable: new Gauge({
      name: 'darkroom_lane_limit_available',
      help: 'What of a lane could start at once under an upstream key, by kind, where a limit is known.',
      labelNames: perKind,
      registers,
    }),
    laneStoppedSeconds: new Gauge({
      name: 'darkroom_lane_stopped_seconds',
      help: 'How long a 429 still stops a lane under an upstream key; 0 when it goes.',
      labelNames: perKey,
      registers,
    }),
    lanePermitsInUse: new Gauge({
      name: 'darkroom_lane_permits_in_use',
      help: 'Calls of a lane under way or about to start under an upstream key, all workers together.',
      labelNames: perKey,
      registers,
    }),
  };
}
