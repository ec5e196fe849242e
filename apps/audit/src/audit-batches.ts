// One batch: its lists, and its counters against its jobs. Every end of a job moves the batch's hash in the same step, so
// what was read of the jobs fits the hash when that is the same before and after.
import { batchJobIdOf } from '@darkroom/shared/base/ids.ts';
import { type BatchRecord, hasBatchEnded, toBatchRecord } from '@darkroom/shared/batches/record.ts';
import { leaveOutUnreadable, readJobs } from '@darkroom/shared/jobs/store.ts';
import type { Audit } from './audit.ts';
import { addToTally, type BatchTally, compareBatch, emptyTally } from './compare-batch.ts';
import type { Finding } from './findings.ts';
import { parsed } from './parsed.ts';

const JOBS_A_STEP = 100;
/** A batch that never stands still this often is left to the next audit. */
const TRIES = 5;

export async function auditBatch(audit: Audit, batchId = ''): Promise<void> {
  audit.book.looked.batches += 1;
  const look = async (): Promise<Finding[]> => [
    ...(await lookAtLists(audit, batchId)),
    ...(await count(audit, batchId)),
  ];
  await audit.book.suspect(await look(), look);
}

async function lookAtLists({ redis, keys }: Audit, id: string): Promise<Finding[]> {
  const hash = await redis.hgetall(keys.batch(id));
  const record = parsed(() => toBatchRecord(hash, id));
  if (record === null)
    return Object.keys(hash).length === 0 ? [] : [{ kind: 'record_unreadable', subject: id, detail: '' }];
  const [listed, listedOpen] = await Promise.all([
    redis.zscore(keys.accountBatches(record.spec.account), id),
    redis.zscore(keys.openBatches, id),
  ]);
  const say = (detail: string): Finding => ({ kind: 'batch_unlisted', subject: id, detail });
  return [
    ...(listed === null ? [say(`account ${record.spec.account}`)] : []),
    ...(listedOpen === null && !hasBatchEnded(record) ? [say('open batches')] : []),
  ];
}

async function count(audit: Audit, id: string): Promise<Finding[]> {
  const { redis, keys } = audit;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const before = await redis.hgetall(keys.batch(id));
    const record = parsed(() => toBatchRecord(before, id));
    if (record === null || record.status === 'validating' || record.status === 'failed') return [];
    const tally = await tallyOf(audit, record);
    const members = new Set(await redis.smembers(keys.batchOpenJobs(id)));
    const notes = await redis.hvals(keys.batchUnmade(id));
    const after = await redis.hgetall(keys.batch(id));
    if (JSON.stringify(before) !== JSON.stringify(after)) continue;
    return compareBatch({
      record,
      tally,
      members,
      refused: notes.filter((note) => isRefused(note, record.run)).length,
    });
  }
  return [];
}

async function tallyOf({ redis, keys }: Audit, { id, reachedLine }: BatchRecord): Promise<BatchTally> {
  const tally = emptyTally();
  for (let line = 1; line <= reachedLine; line += JOBS_A_STEP) {
    const ids = Array.from({ length: Math.min(JOBS_A_STEP, reachedLine - line + 1) }, (_, at) =>
      batchJobIdOf(id, line + at),
    );
    const records = leaveOutUnreadable(await readJobs(redis, keys, ids), () => undefined); // a finding of its own
    for (const record of records) if (record !== null) addToTally(tally, record);
  }
  return tally;
}

/** A note without problems is of a line that came too late: it counts as nothing. */
function isRefused(note: string, run: number): boolean {
  const { run: of, problems } = JSON.parse(note) as { run: number; problems: unknown[] };
  return of === run && problems.length > 0;
}
