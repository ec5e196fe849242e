// How the sweep says what it has mended: a metric by kind and a line in the log.
import type { Deps } from '../../deps.ts';

/** What was wrong. */
export type RepairKind =
  /** A job whose time was over had not ended. */
  | 'expired'
  /** A call that waits had no queue item. */
  | 'item_added'
  /** A call whose attempt nobody was working on had no queue item. */
  | 'stuck_call'
  /** An attempt nobody was working on kept a call open that was over or must not be repeated. */
  | 'lost_attempt'
  /** A job had ended, but its batch waited for it. */
  | 'batch_member'
  /** Something that waits stood on no list a worker looks at. */
  | 'job_listed'
  | 'batch_listed'
  | 'outbox_listed'
  | 'receiver_listed'
  /** A worker had died with permits in use. */
  | 'lease'
  /** An id on a list of jobs or batches that are no longer kept. */
  | 'vanished_id'
  | 'account'
  /** Bytes in storage that nothing refers to. */
  | 'file_bytes'
  | 'input_bytes'
  /** What a killed process left half written. */
  | 'leftover';

/** Says that `count` things of a kind were mended; nothing when it is 0. */
export function reportRepair(
  deps: Deps,
  kind: RepairKind,
  count: number,
  facts: Readonly<Record<string, unknown>>,
): void {
  if (count === 0) return;
  deps.metrics.sweepRepairs.inc({ kind }, count);
  deps.log.warn({ repair: kind, count, ...facts }, 'sweep mended');
}
