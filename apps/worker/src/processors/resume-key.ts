// A probe was accepted: the upstream key goes on.
import type { Deps } from '../deps.ts';

export async function resumeKey(deps: Deps, upstreamKey: string): Promise<void> {
  if (await deps.governor.resumeKey(upstreamKey)) deps.log.info({ upstreamKey }, 'upstream key goes on');
}
