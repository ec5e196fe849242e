// Upkeep of the lanes' books once a minute, by one worker at a time.

import { recountOpenCalls, reorderItems, tidyLane } from '@darkroom/shared/lanes/lane-upkeep.ts';
import { LANES } from '@darkroom/shared/models/rules.ts';
import type { Deps } from '../deps.ts';
import { takeTurn } from './sweep/turn.ts';

/** Shorter than the time between two sweeps, so that each minute has one, and longer than a sweep takes. */
const TURN_MS = 45_000;
/** Items that were on their way while the base moved on come back with their old priority; by then all have. */
const REORDER_FOR_MS = 600_000;

export async function sweepLanes(deps: Deps): Promise<void> {
  if (!(await takeTurn(deps, 'lanes', TURN_MS))) return;
  for (const lane of LANES) await sweepLane(deps, lane);
  const wrong = await recountOpenCalls(deps.redis, deps.keys);
  if (wrong === null || wrong === 0) return;
  deps.metrics.laneUpkeep.inc({ kind: 'recounted' }, wrong);
  deps.log.warn({ wrong }, 'counters of open calls had drifted and are right again');
}

async function sweepLane({ redis, keys, metrics, log }: Deps, lane: string): Promise<void> {
  const tidied = await tidyLane(redis, keys, lane);
  if (tidied.isCleared) metrics.laneUpkeep.inc({ kind: 'cleared' });
  if (tidied.flowsPruned > 0) metrics.laneUpkeep.inc({ kind: 'flow_pruned' }, tidied.flowsPruned);
  if (tidied.rebasedAgoMs === null || tidied.rebasedAgoMs > REORDER_FOR_MS) return;
  const changed = await reorderItems(redis, keys, lane);
  if (changed === 0) return;
  metrics.laneUpkeep.inc({ kind: 'item_reordered' }, changed);
  log.info({ lane, changed }, 'priorities are counted from further on');
}
