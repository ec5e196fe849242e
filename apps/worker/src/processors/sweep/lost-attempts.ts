// Calls that wait for nothing but the end of an attempt nobody works on: cancelled, over, or not to be repeated. Their items may
// lie in a lane that rests for minutes, behind a paused key.
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { openItemsOf } from '@darkroom/shared/jobs/submit.ts';
import type { CallItem } from '@darkroom/shared/queues/call-queue.ts';
import type { Deps } from '../../deps.ts';
import { endLost, NOBODY } from '../lost-attempt.ts';
import { recoverSpooled } from '../recover-stored.ts';
import { reportRepair } from './repair.ts';
import { isUnattended } from './unattended.ts';

export async function endLostAttempts(deps: Deps, record: JobRecord): Promise<void> {
  if (!mustEnd(deps, record)) return;
  const open = openItemsOf(record).filter(({ call }) => (record.calls[call]?.open ?? 0) > 0);
  for (const item of open) if (await isUnattended(deps, record, item)) await endOne(deps, item);
}

function mustEnd({ config }: Deps, { spec, cancelAt, expiresAt }: JobRecord): boolean {
  const isOver = cancelAt !== null || Date.now() >= expiresAt;
  return isOver || (spec.onUnknown ?? config.ON_UNKNOWN) === 'fail';
}

/** What the attempt left in storage or in this host's spool comes first. */
async function endOne(deps: Deps, item: CallItem): Promise<void> {
  const record = await readJob(deps.redis, deps.keys, item.jobId);
  if (record === null || record.run !== item.run || record.calls[item.call]?.outcome !== '') return;
  const missing = (record.spec.calls[item.call] ?? []).filter((index) => !record.images.has(index));
  const work = { record, call: item.call, missing, tag: 0 };
  if ((await recoverSpooled(deps, work)) !== 'nothing') return;
  if (!(await endLost(deps, work, NOBODY))) return;
  reportRepair(deps, 'lost_attempt', 1, { jobId: item.jobId, call: item.call });
  await deps.queues.remove(record.spec.lane, [item]);
}
