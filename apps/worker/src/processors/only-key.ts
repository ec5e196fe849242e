// Which upstream key a call has to keep to: while its latest attempt may have been charged to one, no other is asked. Once
// that key has surely refused the repeat which an unknown outcome allows, another may make it: it is no purchase more.
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';

/**
 * The key of the call's latest attempt; null, any key, when there was none, when it was surely refused before any work, or
 * when the key is not configured any more.
 */
export function onlyKeyFor(
  { attempts }: Pick<JobRecord, 'attempts'>,
  call: number,
  configured: readonly string[],
): string | null {
  const latest = attempts.filter((attempt) => attempt.call === call).reduce<Attempt | null>(laterOf, null);
  if (latest === null || isSurelyUnpaid(latest)) return null;
  return configured.includes(latest.upstreamKey) ? latest.upstreamKey : null;
}

type Attempt = JobRecord['attempts'][number];

function laterOf(latest: Attempt | null, attempt: Attempt): Attempt {
  return latest === null || attempt.seq > latest.seq ? attempt : latest;
}

function isSurelyUnpaid({ outcome, code }: Attempt): boolean {
  return outcome === 'rejected' || code === 'upstream_unreachable';
}
