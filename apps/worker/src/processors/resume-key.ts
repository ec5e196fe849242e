// A probe was accepted: the upstream key goes on, and so do the lanes that rested because of it, at once.
import { LANES } from '@darkroom/shared/models/rules.ts';
import type { Deps } from '../deps.ts';

export async function resumeKey(deps: Deps, upstreamKey: string): Promise<void> {
  if (!(await deps.governor.resumeKey(upstreamKey))) return;
  deps.log.info({ upstreamKey }, 'upstream key goes on');
  await Promise.all(LANES.map((lane) => deps.queues.queue(lane).removeRateLimitKey()));
}
