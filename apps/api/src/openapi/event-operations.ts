// The event streams as they stand in the OpenAPI document.
import { EVENT_TYPES } from '@darkroom/shared/jobs/event-log.ts';
import { SNAPSHOT_JOBS } from '../http/event-streams/watches.ts';
import { EXAMPLE_EVENT_STREAM } from './event-examples.ts';
import type { Operation, Parameter, Reply } from './operation.ts';
import { COMMON_ERRORS, errorReplies, JOB_ID_PARAMETER, NO_SUCH_JOB, replyOf, UNKNOWN_QUERY } from './replies.ts';

const tags = ['Events'];

export const LAST_EVENT_ID_PARAMETERS: readonly Parameter[] = [
  {
    name: 'Last-Event-ID',
    in: 'header',
    description: 'The `id:` of the last event seen: the stream goes on after it. Browsers send it by themselves.',
    schema: { type: 'string', examples: ['1795340377000-0'] },
  },
  {
    name: 'last_event_id',
    in: 'query',
    description: 'The same, for clients that cannot set headers. The header wins.',
    schema: { type: 'string', examples: ['1795340377000-0'] },
  },
];

/** The 200 of every event stream. */
export const EVENT_STREAM_REPLY: Reply = replyOf(
  'Server-Sent Events until the last one, or until the client or this process leaves.',
  { 'text/event-stream': { schema: { type: 'string' }, example: EXAMPLE_EVENT_STREAM } },
  {
    'cache-control': {
      description: 'Nothing between may keep or change it.',
      schema: { type: 'string' },
      example: 'no-cache, no-transform',
    },
  },
);

/** The 204 of a stream that ends: a browser's EventSource stops coming back. */
export const NOTHING_MISSED_REPLY: Reply = replyOf('It has ended, and the client has seen the last event.');

export const HOW_STREAMS_GO_ON =
  'The first event is a `snapshot` (`reason`: `connected`) unless the client names the last event it saw; then it gets what it ' +
  'missed, from any API process. About 10,000 events of an account are kept; a client that was away for longer gets a ' +
  'snapshot with `reason: events_lost`. `data` is `{id, object, type, created_at, sequence, data}`: the type says what ' +
  'happened, `data` is the job (without `input` and `revised_prompt`), the image with its `job_id`, or the batch, as it is when ' +
  'the event is sent. A comment every 15 s keeps the connection alive; a client that is over 1 MB behind is cut off.';

const TOO_MANY_STREAMS = { code: 'too_many_streams', message: '2000 event streams are open already.' } as const;
const INVALID_ID = {
  code: 'invalid_value',
  message: "Invalid value for 'Last-Event-ID': it must be the id of an event.",
  param: 'Last-Event-ID',
} as const;

/** What every event stream may answer before it begins. */
export const STREAM_ERRORS = [INVALID_ID, UNKNOWN_QUERY, TOO_MANY_STREAMS, ...COMMON_ERRORS];

export const streamJobEventsOperation: Operation = {
  operationId: 'streamJobEvents',
  summary: 'Follow a job',
  description: `The events of a job until it has ended, as Server-Sent Events. ${HOW_STREAMS_GO_ON}`,
  tags,
  parameters: [JOB_ID_PARAMETER, ...LAST_EVENT_ID_PARAMETERS],
  responses: {
    200: EVENT_STREAM_REPLY,
    204: NOTHING_MISSED_REPLY,
    ...errorReplies(NO_SUCH_JOB, ...STREAM_ERRORS),
  },
};

const filter = (name: string, description: string, example: string): Parameter => ({
  name,
  in: 'query',
  description,
  schema: { type: 'string', examples: [example] },
});

export const streamEventsOperation: Operation = {
  operationId: 'streamEvents',
  summary: 'Follow all jobs and batches',
  description:
    `All events of the account, without end, as Server-Sent Events. The snapshot is a list of the ${SNAPSHOT_JOBS} newest ` +
    `jobs the filters let through (\`types\` does not narrow it). ${HOW_STREAMS_GO_ON}`,
  tags,
  parameters: [
    filter(
      'types',
      `Only events of these types, separated by commas: ${EVENT_TYPES.join(', ')}.`,
      'job.completed,job.failed',
    ),
    filter('job_id', 'Only events of this job.', JOB_ID_PARAMETER.example as string),
    filter('batch_id', 'Only events of this batch and its jobs.', 'batch_01kb4xwqf7c0v3m8r5y2d9tz6n'),
    {
      name: 'metadata',
      in: 'query',
      description: 'Only events of jobs and batches with this metadata: `metadata[order]=42`.',
      style: 'deepObject',
      explode: true,
      schema: { type: 'object', additionalProperties: { type: 'string' }, examples: [{ order: '42' }] },
    },
    ...LAST_EVENT_ID_PARAMETERS,
  ],
  responses: { 200: EVENT_STREAM_REPLY, ...errorReplies(...STREAM_ERRORS) },
};
