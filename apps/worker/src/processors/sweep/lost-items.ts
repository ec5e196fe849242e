// Queue items that should be there and aren't: a crash between record and queue, an item lost. A call that waits gets its
// item at once. One with an attempt open may still be worked on by somebody, and a new item would end in a second purchase:
// it gets one when item and lock have been gone for as long as a lock lives.
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { openItemsOf, queueAgain } from '@darkroom/shared/jobs/submit.ts';
import type { CallItem } from '@darkroom/shared/queues/call-queue.ts';
import type { Deps } from '../../deps.ts';
import { reportRepair } from './repair.ts';
import { isUnattended } from './unattended.ts';

export async function addLostItems(deps: Deps, record: JobRecord): Promise<void> {
  if ((await missingItems(deps, record)).length === 0) return;
  // An item also goes when its call has its outcome: the record as it is now says which.
  const now = await readJob(deps.redis, deps.keys, record.id);
  if (now === null) return;
  const missing = await missingItems(deps, now);
  const waiting = missing.filter(({ call }) => openAttemptOf(now, call) === 0);
  const stuck: CallItem[] = [];
  for (const item of missing) if (!waiting.includes(item) && (await isUnattended(deps, now, item))) stuck.push(item);
  if (waiting.length + stuck.length === 0) return;
  await queueAgain(deps.submit, now, [...waiting, ...stuck]);
  reportRepair(deps, 'item_added', waiting.length, { jobId: now.id, calls: waiting.map(({ call }) => call) });
  reportRepair(deps, 'stuck_call', stuck.length, { jobId: now.id, calls: stuck.map(({ call }) => call) });
}

/** A call whose answer is spooled needs no item: whoever has the answer finishes it. */
async function missingItems(deps: Deps, record: JobRecord): Promise<CallItem[]> {
  const items = openItemsOf(record).filter(({ call }) => (record.calls[call]?.spooled ?? 0) === 0);
  const exist = await deps.queues.exist(record.spec.lane, items);
  return items.filter((_, index) => !exist[index]);
}

/** Number of the attempt under way, 0 = none. */
function openAttemptOf(record: JobRecord, call: number): number {
  return record.calls[call]?.open ?? 0;
}
