// The job routes as they stand in the OpenAPI document.
import { JOB_STATUSES } from '@darkroom/shared/jobs/record.ts';
import { OPERATIONS } from '@darkroom/shared/models/rules.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from '../http/job-query.ts';
import { LONGEST_WAIT_SECONDS } from '../http/prefer.ts';
import {
  EXAMPLE_ATTEMPTS,
  EXAMPLE_COMPLETED_JOB,
  EXAMPLE_PLAN,
  EXAMPLE_QUEUED_JOB,
  EXAMPLE_SUBMISSION,
} from './job-examples.ts';
import type { Operation, Parameter, Reply } from './operation.ts';
import {
  COMMON_ERRORS,
  EXAMPLE_JOB_ID,
  errorReplies,
  JOB_ID_PARAMETER,
  jsonOf,
  NO_SUCH_JOB,
  refTo,
  replyOf,
  UNKNOWN_QUERY,
} from './replies.ts';
import { DEPRECATION_HEADERS, EARLIER_HEADERS, header, idempotencyKey, retryCount } from './submit-parts.ts';

const tags = ['Jobs'];

const ACCEPTED: Reply = replyOf('The job is recorded and will run.', jsonOf('Job', EXAMPLE_QUEUED_JOB), {
  location: header('Where to ask for the job.', `/v1/jobs/${EXAMPLE_JOB_ID}`),
  'retry-after': header('Seconds after which asking is worth while.', 5),
  'preference-applied': header('The preferences that were followed.', 'wait=30'),
  ...EARLIER_HEADERS,
  ...DEPRECATION_HEADERS,
});

const QUEUE_FULL = {
  code: 'queue_full',
  message: '100000 calls for this model are waiting or under way, and at most 100000 may be. Try again in 30 s.',
} as const;

export const submitJobOperation: Operation = {
  operationId: 'submitJob',
  summary: 'Submit a job',
  description:
    'Records one job and queues its calls. Input images may come as `file_id`, link or data URL, in a body of up to 50 MB. All problems of the request are found before anything is queued. ' +
    'A 202 means durably recorded. With `Prefer: wait=N` the reply comes when the job has ended, or after N seconds.',
  tags,
  parameters: [
    idempotencyKey('job'),
    retryCount('job'),
    {
      name: 'Prefer',
      in: 'header',
      description: `\`wait=N\`: wait up to N seconds (cut to 1..${LONGEST_WAIT_SECONDS}) for the end of the job. \`respond-async\`: the default.`,
      schema: { type: 'string', examples: ['wait=30'] },
    },
  ],
  requestBody: { required: true, content: jsonOf('JobSubmission', EXAMPLE_SUBMISSION) },
  responses: {
    200: replyOf('The job ended while waiting, however it ended; or, with `dry_run`, the plan.', {
      'application/json': {
        schema: { oneOf: [refTo('Job'), refTo('JobPlan')] },
        examples: {
          job: { summary: 'The job has ended', value: EXAMPLE_COMPLETED_JOB },
          plan: { summary: 'dry_run: true', value: EXAMPLE_PLAN },
        },
      },
    }),
    202: ACCEPTED,
    ...errorReplies(
      {
        code: 'unknown_parameter',
        message: "Unknown parameter: 'promt'. Did you mean 'prompt'?",
        param: 'input.promt',
      },
      { code: 'invalid_json', message: 'We could not parse the JSON body of your request. It must be JSON in UTF-8.' },
      { code: 'request_too_large', message: 'The request body is larger than 52428800 bytes.' },
      { code: 'unsupported_media_type', message: "Unsupported content-type. Send 'content-type: application/json'." },
      {
        code: 'idempotency_key_reuse',
        message: 'This Idempotency-Key was used before for another request.',
        param: 'Idempotency-Key',
      },
      QUEUE_FULL,
      ...COMMON_ERRORS,
    ),
  },
};

export const getJobOperation: Operation = {
  operationId: 'getJob',
  summary: 'Get a job',
  tags,
  parameters: [
    JOB_ID_PARAMETER,
    {
      name: 'wait',
      in: 'query',
      description: 'Answer when the job has ended, or after this many seconds.',
      schema: { type: 'integer', minimum: 1, maximum: LONGEST_WAIT_SECONDS, examples: [30] },
    },
  ],
  responses: {
    200: replyOf('The job as it is.', jsonOf('Job', EXAMPLE_COMPLETED_JOB), {
      'retry-after': header('Seconds after which asking again is worth while; only while it has not ended.', 5),
    }),
    ...errorReplies(UNKNOWN_QUERY, NO_SUCH_JOB, ...COMMON_ERRORS),
  },
};

const filter = (name: string, description: string, schema: Parameter['schema'], example: unknown): Parameter => ({
  name,
  in: 'query',
  description,
  schema: { ...schema, examples: [example] },
});

export const listJobsOperation: Operation = {
  operationId: 'listJobs',
  summary: 'List jobs',
  description:
    'Newest first unless `order=asc`. A page may be short: go on with `after=last_id` while `has_more` is true.',
  tags,
  parameters: [
    filter('limit', 'Jobs on a page.', { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT }, 20),
    filter(
      'after',
      'The job after which the page begins: `last_id` of the page before.',
      { type: 'string' },
      EXAMPLE_JOB_ID,
    ),
    filter('order', 'By time of creation.', { type: 'string', enum: ['asc', 'desc'], default: 'desc' }, 'desc'),
    filter('status', 'Only jobs of this status.', { type: 'string', enum: JOB_STATUSES }, 'completed'),
    filter('operation', 'Only jobs of this operation.', { type: 'string', enum: OPERATIONS }, 'generation'),
    filter('model', 'Only jobs that asked for or called this model.', { type: 'string' }, 'gpt-image-2.6-flare'),
    filter('batch_id', 'Only jobs of this batch.', { type: 'string' }, 'batch_01kb4xwqf7c0v3m8r5y2d9tz6n'),
    filter('created_after', 'Only jobs created after this second (unix time).', { type: 'integer' }, 1_795_340_000),
    filter('created_before', 'Only jobs created before this second (unix time).', { type: 'integer' }, 1_795_350_000),
    {
      ...filter(
        'metadata',
        'Only jobs whose metadata holds this value: `metadata[order]=42`. All given pairs must hold.',
        { type: 'object', additionalProperties: { type: 'string' }, default: {} },
        { order: '42' },
      ),
      style: 'deepObject',
      explode: true,
    },
  ],
  responses: {
    200: replyOf(
      'A page of jobs.',
      jsonOf('JobList', {
        object: 'list',
        data: [EXAMPLE_COMPLETED_JOB],
        first_id: EXAMPLE_JOB_ID,
        last_id: EXAMPLE_JOB_ID,
        has_more: false,
      }),
    ),
    ...errorReplies(
      {
        code: 'invalid_value',
        message: "Invalid value for 'limit': it must be a whole number from 1 to 100.",
        param: 'limit',
      },
      ...COMMON_ERRORS,
    ),
  },
};

const CANCELLED_JOB = {
  ...EXAMPLE_QUEUED_JOB,
  status: 'cancelled',
  queue_position: null,
  expected_wait_seconds: null,
  finished_at: EXAMPLE_QUEUED_JOB.created_at + 2,
  cancel_requested_at: EXAMPLE_QUEUED_JOB.created_at + 2,
  progress: { images_requested: 1, images_completed: 0, images_failed: 0, images_withheld: 1 },
};

export const cancelJobOperation: Operation = {
  operationId: 'cancelJob',
  summary: 'Cancel a job',
  description:
    'Calls not yet sent never go out; calls under way finish and their images are kept. Repeating it changes nothing.',
  tags,
  parameters: [JOB_ID_PARAMETER],
  responses: {
    200: replyOf('The job as it is now.', jsonOf('Job', CANCELLED_JOB)),
    ...errorReplies(UNKNOWN_QUERY, NO_SUCH_JOB, ...COMMON_ERRORS),
  },
};

export const retryJobOperation: Operation = {
  operationId: 'retryJob',
  summary: 'Retry a job',
  description:
    "Runs an ended job's calls without images again: a new `run` with a new `expires_at`. Images it has are kept.",
  tags,
  parameters: [JOB_ID_PARAMETER, idempotencyKey('run'), retryCount('run')],
  responses: {
    202: replyOf('The job runs again.', jsonOf('Job', { ...EXAMPLE_QUEUED_JOB, run: 2 }), {
      location: header('Where to ask for the job.', `/v1/jobs/${EXAMPLE_JOB_ID}`),
      'retry-after': header('Seconds after which asking is worth while.', 5),
      ...EARLIER_HEADERS,
    }),
    ...errorReplies(
      UNKNOWN_QUERY,
      NO_SUCH_JOB,
      { code: 'job_not_ended', message: `Job '${EXAMPLE_JOB_ID}' has not ended yet.` },
      { code: 'nothing_to_retry', message: `Job '${EXAMPLE_JOB_ID}' has all its images.` },
      {
        code: 'input_lost',
        status: 409,
        message: `Job '${EXAMPLE_JOB_ID}' can't run again: an input image of it is no longer in storage. Submit it anew.`,
      },
      QUEUE_FULL,
      ...COMMON_ERRORS,
    ),
  },
};

export const listAttemptsOperation: Operation = {
  operationId: 'listAttempts',
  summary: "List a job's upstream attempts",
  description: 'Every request sent upstream for the job, oldest first: when, how it ended, what it cost.',
  tags,
  parameters: [JOB_ID_PARAMETER],
  responses: {
    200: replyOf('All attempts of all runs.', jsonOf('AttemptList', EXAMPLE_ATTEMPTS)),
    ...errorReplies(UNKNOWN_QUERY, NO_SUCH_JOB, ...COMMON_ERRORS),
  },
};
