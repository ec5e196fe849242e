// An event stream as it stands in the OpenAPI document, made by the code that makes real ones.
import { toJobEventData, toPublicEvent, toThinJob } from '@darkroom/shared/jobs/public-event.ts';
import type { PublicJob } from '@darkroom/shared/jobs/public-job.ts';
import { toFrame } from '../http/event-streams/sse.ts';
import { EXAMPLE_COMPLETED_JOB, EXAMPLE_QUEUED_JOB } from './job-examples.ts';

const BEGUN_AT = EXAMPLE_QUEUED_JOB.created_at;

function exampleEvent(type: string, job: unknown, secondsLater: number, sequence: number): string {
  const entry = { id: `${BEGUN_AT + secondsLater}000-0`, type, sequence, image: 0 };
  const data = toJobEventData(entry, job as PublicJob);
  const event = toPublicEvent(entry, EXAMPLE_QUEUED_JOB.id, data);
  return toFrame({ id: entry.id, event: type, data: JSON.stringify(event) });
}

const SNAPSHOT = {
  id: null,
  object: 'event',
  type: 'snapshot',
  created_at: BEGUN_AT,
  sequence: 0,
  reason: 'connected',
  data: toThinJob(EXAMPLE_QUEUED_JOB as unknown as PublicJob),
};

export const EXAMPLE_EVENT_STREAM = [
  'retry: 1812\n\n',
  toFrame({ id: `${BEGUN_AT}000-0`, event: 'snapshot', data: JSON.stringify(SNAPSHOT) }),
  exampleEvent(
    'job.in_progress',
    { ...EXAMPLE_QUEUED_JOB, status: 'in_progress', queue_position: null, expected_wait_seconds: null },
    1,
    1,
  ),
  ': ping\n\n',
  exampleEvent('image.completed', EXAMPLE_COMPLETED_JOB, 43, 2),
  exampleEvent('job.completed', EXAMPLE_COMPLETED_JOB, 43, 3),
].join('');
