// The right to settle one spooled answer. It only saves double work: all that is done under it may be done twice.
import type { Keys } from '@darkroom/shared/base/keys.ts';
import { type AnswerId, entryOf } from '@darkroom/shared/jobs/spool-steps.ts';
import type { LeaseTerms } from '../lease.ts';
import type { SpoolRoom } from './room.ts';

/** A dead worker's answers are taken over after this long. */
const LEASE_MS = 12_000;

export function answerLeaseOf(
  { keys, room }: { readonly keys: Keys; readonly room: Pick<SpoolRoom, 'processId'> },
  id: AnswerId,
): LeaseTerms {
  return { key: keys.spoolLease(entryOf(id)), owner: room.processId, leaseMs: LEASE_MS };
}
