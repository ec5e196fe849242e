// What the audit can find, by kind: a closed list with what each means. `isProblem`: a promise or a book is broken; the
// others are worth knowing and break nothing.

interface Kind {
  readonly isProblem: boolean;
  readonly about: string;
}

const problem = (about: string): Kind => ({ isProblem: true, about });
const note = (about: string): Kind => ({ isProblem: false, about });

export const KINDS = {
  image_missing: problem('recorded, but not in storage'),
  image_differs: problem('in storage with another size or other bytes than recorded'),
  image_unlisted: problem('in storage, but not in the record of its job'),
  image_late: note('came when its call had failed; a retry of the job takes it up and pays nothing'),
  image_without_job: problem('in storage, of a job without a record that must still be kept'),
  image_retention_over: note('in storage, of a job whose record is no longer kept'),
  foreign_object: note('lies among the images and is none of ours'),
  paid_image_missing: problem('paid and answered, but neither recorded nor spooled nor reported lost'),
  paid_image_lost: note('paid, lost, and reported so'),
  bought_twice: problem('paid more than once in a run, though no earlier attempt was unknown or lost'),
  bought_twice_flagged: note('paid more than once: an earlier attempt was unknown, lost, or of an earlier run'),
  spool_books: problem('spooled answers: the attempt and the list of them disagree, or their time is over'),
  attempt_stale: problem('attempt open for longer than a call can take'),
  attempt_rows: problem('attempts and calls of a job disagree'),
  job_counters: problem('a job’s counters disagree with its rows'),
  job_end: problem('a job’s status disagrees with its calls or images'),
  record_unreadable: problem('the record of a job, batch or file cannot be read'),
  job_unlisted: problem('a job missing from its account’s list, or its account from the accounts'),
  job_overdue: problem('a job past its time that has not ended'),
  open_list: problem('the list of open jobs: a job missing there, or there without being open'),
  call_without_item: problem('a call that waits and has no queue item'),
  lane_count: problem('a lane’s count of open calls disagrees with the jobs'),
  batch_unlisted: problem('a batch missing from its account’s list or from the open batches'),
  batch_members: problem('a batch’s set of open jobs disagrees with its jobs'),
  batch_counts: problem('a batch’s counters disagree with its jobs'),
  batch_cost: problem('a batch’s cost or tokens disagree with the attempts of its jobs'),
  input_missing: problem('an input image that an open job or a file needs is not in storage as recorded'),
  input_not_stored: note('an input image recorded, needed by nothing and not in storage'),
  input_unrecorded: note('bytes of an input image without a record; the sweep removes them'),
  file_missing: problem('a file whose bytes are not in storage as recorded'),
  file_unrecorded: note('bytes of a file without a record; the sweep removes them'),
  outbox_stuck: problem('an event that has waited for over an hour to become a delivery, or whose host is on no list'),
  delivery_lost: problem('a pending webhook that neither waits nor is queued'),
  delivery_stuck: problem('webhooks due for over an hour to a host that answers, or whose host is on no list'),
  delivery_waits: note('webhooks due for over an hour to a host that is away'),
} as const satisfies Readonly<Record<string, Kind>>;

export type FindingKind = keyof typeof KINDS;

export interface Finding {
  readonly kind: FindingKind;
  /** The job, batch, file, host or object it is about. */
  readonly subject: string;
  /** Says the same each time it is found, so that a finding can be found again. */
  readonly detail: string;
}

export function identityOf({ kind, subject, detail }: Finding): string {
  return `${kind} ${subject} ${detail}`;
}
