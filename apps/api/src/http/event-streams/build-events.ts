// From entries of the event stream to what is written to clients: what each event is about is read once, and its frame is
// made once, however many streams carry it.

import { toPublicBatch } from '@darkroom/shared/batches/public-batch.ts';
import { hasBatchEnded } from '@darkroom/shared/batches/record.ts';
import { readBatch } from '@darkroom/shared/batches/store.ts';
import type { EventEntry } from '@darkroom/shared/jobs/event-log.ts';
import { toJobEventData, toPublicEvent } from '@darkroom/shared/jobs/public-event.ts';
import { hasEnded } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import type { Deps } from '../../deps.ts';
import { buildJobReplies } from '../job-reply.ts';
import { toFrame } from './sse.ts';

/** What an event is about, as it is now. */
interface Subject {
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly run: number;
  readonly hasEnded: boolean;
  /** `data` of the event; null when it is gone. */
  dataOf(entry: EventEntry): unknown;
}

export interface StreamEvent {
  readonly entry: EventEntry;
  /** Of the job or batch. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The job or batch has ended with this event: nothing follows unless it is retried. */
  readonly isEnd: boolean;
  readonly frame: Buffer;
}

/** The events of these entries, in order. Those whose job, batch or image was deleted are left out. */
export type BuildEvents = (entries: readonly EventEntry[]) => Promise<readonly StreamEvent[]>;

export function buildEventBuilder(deps: Deps): BuildEvents {
  const readSubject = buildSubjectReader(deps);
  return async (entries) => {
    const subjects = new Map<string, Promise<Subject | null>>();
    for (const entry of entries) {
      const id = subjectIdOf(entry);
      if (!subjects.has(id)) subjects.set(id, readSubject(entry));
    }
    await Promise.all(subjects.values());
    const events = await Promise.all(
      entries.map(async (entry) => toStreamEvent(entry, (await subjects.get(subjectIdOf(entry))) ?? null)),
    );
    return events.filter((event) => event !== null);
  };
}

function subjectIdOf({ jobId, batchId }: EventEntry): string {
  return jobId ?? batchId ?? '';
}

function buildSubjectReader(deps: Deps): (entry: EventEntry) => Promise<Subject | null> {
  const { redis, keys } = deps;
  const replies = buildJobReplies(deps);
  const readJobSubject = async (id: string): Promise<Subject | null> => {
    const record = await readJob(redis, keys, id);
    if (record === null) return null;
    const job = replies.toPublic(record);
    const { metadata } = record.spec;
    return { id, metadata, run: record.run, hasEnded: hasEnded(record), dataOf: (entry) => toJobEventData(entry, job) };
  };
  const readBatchSubject = async (id: string): Promise<Subject | null> => {
    const record = await readBatch(redis, keys, id);
    if (record === null) return null;
    const batch = toPublicBatch(record, Date.now());
    return {
      id,
      metadata: record.spec.metadata,
      run: record.run,
      hasEnded: hasBatchEnded(record),
      dataOf: () => batch,
    };
  };
  return ({ jobId, batchId }) => (jobId === null ? readBatchSubject(batchId ?? '') : readJobSubject(jobId));
}

function toStreamEvent(entry: EventEntry, subject: Subject | null): StreamEvent | null {
  const data = subject?.dataOf(entry) ?? null;
  if (subject === null || data === null) return null;
  const event = toPublicEvent(entry, subject.id, data);
  return {
    entry,
    metadata: subject.metadata,
    isEnd: isEndOf(entry, subject),
    frame: Buffer.from(toFrame({ id: entry.id, event: entry.type, data: JSON.stringify(event) })),
  };
}

/** An image is never the last word, and neither is the end of a run after which another one began. */
function isEndOf(entry: EventEntry, { run, hasEnded: isOver }: Subject): boolean {
  return isOver && entry.run === run && /^(job|batch)\.(?!queued|in_progress)/.test(entry.type);
}
