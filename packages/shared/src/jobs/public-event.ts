// An event as callers see it, the same in streams and webhooks: what happened, and the job or image it happened to as it
// is when the event is told.
import { eventIdOf } from '../base/ids.ts';
import { toUnixSeconds } from '../base/units.ts';
import type { EventEntry } from './event-log.ts';
import type { PublicJob } from './public-job.ts';

export interface PublicEvent<Data = unknown> {
  readonly id: string;
  readonly object: 'event';
  readonly type: string;
  /** Unix seconds. */
  readonly created_at: number;
  /** Counts the events of the job or batch, from 1. */
  readonly sequence: number;
  readonly data: Data;
}

type EventFacts = Pick<EventEntry, 'id' | 'type' | 'sequence'>;

/** `subjectId`: the job or batch the event belongs to. */
export function toPublicEvent<Data>(entry: EventFacts, subjectId: string, data: Data): PublicEvent<Data> {
  return {
    id: eventIdOf(subjectId, entry.sequence),
    object: 'event',
    type: entry.type,
    created_at: toUnixSeconds(Number(entry.id.split('-')[0])) ?? 0,
    sequence: entry.sequence,
    data,
  };
}

/** `data` of a job's event: the job without what was asked, or its image; null when the image is gone. */
export function toJobEventData(entry: Pick<EventEntry, 'type' | 'image'>, job: PublicJob) {
  if (entry.type !== 'image.completed') return toThinJob(job);
  const image = job.images.find(({ index }) => index === entry.image);
  return image === undefined ? null : { ...withoutPrompt(image), job_id: job.id };
}

/** The job without its input and the prompts of its images: small, and safe in a log. */
export function toThinJob(job: PublicJob) {
  const { input: _, ...thin } = job;
  return { ...thin, images: job.images.map(withoutPrompt) };
}

function withoutPrompt(image: PublicJob['images'][number]) {
  const { revised_prompt: _, ...thin } = image;
  return thin;
}
