// Where an event's body comes from: the job or batch as it is when the event is announced, without what was asked.
import { type PublicBatch, toPublicBatch } from '@darkroom/shared/batches/public-batch.ts';
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import { readBatch } from '@darkroom/shared/batches/store.ts';
import { toJobEventData } from '@darkroom/shared/jobs/public-event.ts';
import { type LinkMaker, toPublicJob } from '@darkroom/shared/jobs/public-job.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { type OutboxEvent, toEventBody, withShortTexts } from '@darkroom/shared/webhooks/event.ts';
import type { Deps } from '../../deps.ts';

export interface AnnouncedEvent {
  readonly account: string;
  readonly url: string;
  readonly body: string;
  /** When it happened, unix ms. */
  readonly createdAt: number;
}

type SourceDeps = Pick<Deps, 'redis' | 'keys'>;

/** null when there is nothing to tell any more: the job, batch or image is no longer kept, or nobody wants to hear. */
export async function readEvent(
  deps: SourceDeps,
  event: OutboxEvent,
  linkOf: LinkMaker,
  now: number,
): Promise<AnnouncedEvent | null> {
  if (event.subject.startsWith('batch_')) {
    const batch = await readBatch(deps.redis, deps.keys, event.subject);
    return batch === null ? null : ofBatch(event, batch, now);
  }
  const job = await readJob(deps.redis, deps.keys, event.subject);
  return job === null ? null : ofJob(event, job, linkOf, now);
}

function ofJob(event: OutboxEvent, record: JobRecord, linkOf: LinkMaker, now: number): AnnouncedEvent | null {
  const { account, webhook } = record.spec;
  const job = toPublicJob(record, linkOf);
  const dataOf = (longest: number) => toJobEventData(event, withShortTexts(job, longest));
  if (!webhook || dataOf(Number.POSITIVE_INFINITY) === null) return null;
  const isEnd = event.type.startsWith('job.') && event.run === record.run;
  const createdAt = (isEnd ? record.finishedAt : null) ?? now;
  return { account, url: webhook.url, body: toEventBody(event, createdAt, dataOf), createdAt };
}

function ofBatch(event: OutboxEvent, record: BatchRecord, now: number): AnnouncedEvent | null {
  const { account, webhook } = record.spec;
  if (!webhook) return null;
  const batch = toPublicBatch(record, now);
  const createdAt = record.at[record.status] ?? now;
  const dataOf = (longest: number) => withFewProblems(batch, longest);
  return { account, url: webhook.url, body: toEventBody(event, createdAt, dataOf), createdAt };
}

const PROBLEMS_SHOWN = 10;

/** A batch refused for thousands of lines names the first of them here; all stand in the batch itself. */
function withFewProblems(batch: PublicBatch, longest: number) {
  if (batch.errors === null || !Number.isFinite(longest)) return batch;
  const data = batch.errors.data.slice(0, PROBLEMS_SHOWN);
  return { ...batch, errors: { ...batch.errors, data, has_more: data.length < batch.errors.data.length } };
}
