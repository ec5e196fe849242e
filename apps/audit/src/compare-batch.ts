// A batch's counters against its jobs. Pure. Which lines made no job only the batch itself knows, so of an ended one the
// lines with images are compared, and of one that runs what its jobs have ticked.
import { type BatchRecord, hasBatchEnded } from '@darkroom/shared/batches/record.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { Finding, FindingKind } from './findings.ts';

/** What a batch's jobs come to. */
export interface BatchTally {
  jobs: number;
  withImages: number;
  withoutImages: number;
  images: number;
  costMicroUsd: number;
  isCostUnknown: boolean;
  inputTokens: number;
  outputTokens: number;
  readonly open: Set<string>;
}

export interface BatchBooks {
  readonly record: BatchRecord;
  readonly tally: BatchTally;
  /** The batch's set of jobs that have not ended. */
  readonly members: ReadonlySet<string>;
  /** Lines refused in this run when they were fed. */
  readonly refused: number;
}

export function emptyTally(): BatchTally {
  return {
    jobs: 0,
    withImages: 0,
    withoutImages: 0,
    images: 0,
    costMicroUsd: 0,
    isCostUnknown: false,
    inputTokens: 0,
    outputTokens: 0,
    open: new Set(),
  };
}

export function addToTally(tally: BatchTally, record: JobRecord): void {
  tally.jobs += 1;
  tally.images += record.images.size;
  if (!hasEnded(record)) tally.open.add(record.id);
  else if (record.images.size > 0) tally.withImages += 1;
  else tally.withoutImages += 1;
  // An attempt counts towards its batch when it is closed.
  for (const attempt of record.attempts.filter(({ outcome }) => outcome !== null)) {
    if (attempt.costMicroUsd === undefined) continue;
    if (attempt.costMicroUsd === null) tally.isCostUnknown = true;
    tally.costMicroUsd += attempt.costMicroUsd ?? 0;
    tally.inputTokens += attempt.inputTokens ?? 0;
    tally.outputTokens += attempt.outputTokens ?? 0;
  }
}

export function compareBatch({ record, tally, members, refused }: BatchBooks): Finding[] {
  const say = (kind: FindingKind, detail: string): Finding => ({ kind, subject: record.id, detail });
  const differ = (kind: FindingKind, name: string, counted: number, jobs: number): Finding[] =>
    counted === jobs ? [] : [say(kind, `${name} is ${counted}, its jobs say ${jobs}`)];
  const over = [...members].filter((id) => !tally.open.has(id));
  const missing = [...tally.open].filter((id) => !members.has(id));
  const isKnown = record.costMicroUsd !== null;
  return [
    ...over.map((id) => say('batch_members', `${id} has ended`)),
    ...missing.map((id) => say('batch_members', `${id} is missing`)),
    ...differ('batch_counts', 'submitted', record.submitted, tally.jobs),
    ...differ('batch_counts', 'images', record.images, tally.images),
    ...differ('batch_counts', 'completed', record.completed, tally.withImages),
    // Only lines fed in this run are counted as failed, and which those are is not told by their jobs.
    ...(record.run > 1 || hasBatchEnded(record)
      ? []
      : differ('batch_counts', 'failed', record.failed, tally.withoutImages + refused)),
    ...(isKnown === tally.isCostUnknown
      ? [say('batch_cost', isKnown ? 'is known, though a price is not' : 'is unknown')]
      : []),
    ...(isKnown ? differ('batch_cost', 'cost, micro-USD,', record.costMicroUsd ?? 0, tally.costMicroUsd) : []),
    ...differ('batch_cost', 'input tokens', record.inputTokens, tally.inputTokens),
    ...differ('batch_cost', 'output tokens', record.outputTokens, tally.outputTokens),
  ];
}
