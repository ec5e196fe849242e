// Where jobs stand in their lanes and how long that may take, for every reply that shows a job.
import type { PublicWait } from '@darkroom/shared/jobs/public-job.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import { expectedWaitSeconds, readPositions } from '@darkroom/shared/lanes/lane-outlook.ts';
import type { Deps } from '../deps.ts';

type WaitDeps = Pick<Deps, 'redis' | 'keys' | 'rateOf'>;

/** In the jobs' order; null for a job without a call in line. One round trip, and one per lane and second. */
export async function readJobWaits(deps: WaitDeps, records: readonly JobRecord[]): Promise<(PublicWait | null)[]> {
  const positions = await readPositions(deps.redis, deps.keys, records.map(toWaitingCalls));
  return Promise.all(
    records.map(async ({ spec }, index) => {
      const position = positions[index] ?? null;
      return position === null ? null : toJobWait(deps, spec.lane, position);
    }),
  );
}

/** The same for a position that is known. */
export async function toJobWait({ rateOf }: Pick<Deps, 'rateOf'>, lane: string, position: number): Promise<PublicWait> {
  return { position, expectedSeconds: expectedWaitSeconds(await rateOf(lane), position, Date.now()) };
}

function toWaitingCalls(record: JobRecord) {
  const { id: jobId, run, spec } = record;
  const calls = hasEnded(record) ? [] : [...record.calls.entries()];
  const waiting = calls.filter(([, { outcome, open }]) => outcome === '' && open === 0);
  return { lane: spec.lane, items: waiting.map(([call]) => ({ jobId, call, run })) };
}
