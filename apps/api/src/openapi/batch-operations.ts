// The batch routes as they stand in the OpenAPI document.
import { DEFAULT_LIMIT, MAX_LIMIT } from '../http/job-query.ts';
import { EXAMPLE_BATCH, EXAMPLE_BATCH_ID, EXAMPLE_BATCH_PLAN, EXAMPLE_BATCH_SUBMISSION } from './batch-examples.ts';
import {
  EVENT_STREAM_REPLY,
  HOW_STREAMS_GO_ON,
  LAST_EVENT_ID_PARAMETERS,
  NOTHING_MISSED_REPLY,
  STREAM_ERRORS,
} from './event-operations.ts';
import { EXAMPLE_COMPLETED_JOB } from './job-examples.ts';
import type { Operation, Parameter } from './operation.ts';
import { COMMON_ERRORS, errorReplies, jsonOf, refTo, replyOf, UNKNOWN_QUERY } from './replies.ts';
import { EARLIER_HEADERS, idempotencyKey, retryCount } from './submit-parts.ts';

const tags = ['Batches'];

const BATCH_ID_PARAMETER: Parameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'Id of the batch.',
  schema: { type: 'string' },
  example: EXAMPLE_BATCH_ID,
};

const NO_SUCH_BATCH = {
  code: 'not_found',
  message: `No batch found with id '${EXAMPLE_BATCH_ID}'.`,
  param: 'id',
} as const;

const PAGING: readonly Parameter[] = [
  {
    name: 'limit',
    in: 'query',
    description: 'Entries on a page.',
    schema: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT, examples: [20] },
  },
  {
    name: 'after',
    in: 'query',
    description: 'The entry after which the page begins: `last_id` of the page before.',
    schema: { type: 'string', examples: [EXAMPLE_BATCH_ID] },
  },
];

export const createBatchOperation: Operation = {
  operationId: 'createBatch',
  summary: 'Create a batch',
  description:
    "OpenAI's Batch API for the image endpoints. Answers `validating` at once; workers check all lines before anything is " +
    'spent. Lines come as a file (`input_file_id`, up to 50,000) or in the body (`requests`, up to 1,000).',
  tags,
  parameters: [idempotencyKey('batch'), retryCount('batch')],
  requestBody: { required: true, content: jsonOf('BatchSubmission', EXAMPLE_BATCH_SUBMISSION) },
  responses: {
    200: replyOf(
      'The batch, recorded; or, with `dry_run`, the plan.',
      {
        'application/json': {
          schema: { oneOf: [refTo('Batch'), refTo('BatchPlan')] },
          examples: {
            batch: { summary: 'The batch', value: { ...EXAMPLE_BATCH, status: 'validating' } },
            plan: { summary: 'dry_run: true', value: EXAMPLE_BATCH_PLAN },
          },
        },
      },
      EARLIER_HEADERS,
    ),
    ...errorReplies(
      {
        code: 'missing_required_parameter',
        message: "Missing required parameter: 'completion_window'.",
        param: 'completion_window',
      },
      { code: 'invalid_json', message: 'We could not parse the JSON body of your request. It must be JSON in UTF-8.' },
      { code: 'not_found', message: 'No such File object: file-01kb4xwqf7c0v3m8r5y2d9tz6n', param: 'input_file_id' },
      { code: 'request_too_large', message: 'The request body is larger than 16777216 bytes.' },
      { code: 'unsupported_media_type', message: "Unsupported content-type. Send 'content-type: application/json'." },
      {
        code: 'idempotency_key_reuse',
        message: 'This Idempotency-Key was used before for another request.',
        param: 'Idempotency-Key',
      },
      ...COMMON_ERRORS,
    ),
  },
};

export const getBatchOperation: Operation = {
  operationId: 'getBatch',
  summary: 'Get a batch',
  tags,
  parameters: [BATCH_ID_PARAMETER],
  responses: {
    200: replyOf('The batch as it is.', jsonOf('Batch', EXAMPLE_BATCH)),
    ...errorReplies(UNKNOWN_QUERY, NO_SUCH_BATCH, ...COMMON_ERRORS),
  },
};

export const listBatchesOperation: Operation = {
  operationId: 'listBatches',
  summary: 'List batches',
  description: 'Newest first.',
  tags,
  parameters: PAGING,
  responses: {
    200: replyOf('A page of batches.', jsonOf('BatchList', listOf(EXAMPLE_BATCH))),
    ...errorReplies(
      {
        code: 'invalid_value',
        message: "Invalid value for 'limit': it must be a whole number from 1 to 100.",
        param: 'limit',
      },
      NO_SUCH_BATCH,
      ...COMMON_ERRORS,
    ),
  },
};

export const cancelBatchOperation: Operation = {
  operationId: 'cancelBatch',
  summary: 'Cancel a batch',
  description:
    'Nothing more is sent; what is under way finishes, and what is paid is kept and written to the output file.',
  tags,
  parameters: [BATCH_ID_PARAMETER],
  responses: {
    200: replyOf('The batch as it is now.', jsonOf('Batch', { ...EXAMPLE_BATCH, status: 'cancelling' })),
    ...errorReplies(UNKNOWN_QUERY, NO_SUCH_BATCH, ...COMMON_ERRORS),
  },
};

export const retryBatchOperation: Operation = {
  operationId: 'retryBatch',
  summary: 'Run the failed requests of a batch again',
  description:
    'Opens an ended batch for its requests without images, with its completion window anew. Writes new output files.',
  tags,
  parameters: [BATCH_ID_PARAMETER, idempotencyKey('run'), retryCount('run')],
  responses: {
    202: replyOf(
      'The batch, in its next run.',
      jsonOf('Batch', { ...EXAMPLE_BATCH, status: 'in_progress', run: 2 }),
      EARLIER_HEADERS,
    ),
    ...errorReplies(
      UNKNOWN_QUERY,
      NO_SUCH_BATCH,
      { code: 'batch_not_ended', message: `Batch '${EXAMPLE_BATCH_ID}' has not ended yet.` },
      { code: 'nothing_to_retry', message: `Batch '${EXAMPLE_BATCH_ID}' has no failed requests.` },
      {
        code: 'input_file_gone',
        message: `Batch '${EXAMPLE_BATCH_ID}' can't run again: its input file is gone. Submit its failed requests anew.`,
      },
      ...COMMON_ERRORS,
    ),
  },
};

export const listBatchJobsOperation: Operation = {
  operationId: 'listBatchJobs',
  summary: 'List the jobs of a batch',
  description: 'In the order of the input.',
  tags,
  parameters: [BATCH_ID_PARAMETER, ...PAGING],
  responses: {
    200: replyOf('A page of jobs.', jsonOf('JobList', listOf(EXAMPLE_COMPLETED_JOB))),
    ...errorReplies(UNKNOWN_QUERY, NO_SUCH_BATCH, ...COMMON_ERRORS),
  },
};

export const streamBatchEventsOperation: Operation = {
  operationId: 'streamBatchEvents',
  summary: 'Follow a batch',
  description: `The events of a batch and its jobs until the batch has ended, as Server-Sent Events. ${HOW_STREAMS_GO_ON}`,
  tags: ['Events'],
  parameters: [BATCH_ID_PARAMETER, ...LAST_EVENT_ID_PARAMETERS],
  responses: {
    200: EVENT_STREAM_REPLY,
    204: NOTHING_MISSED_REPLY,
    ...errorReplies(NO_SUCH_BATCH, ...STREAM_ERRORS),
  },
};

function listOf(entry: { readonly id: string }) {
  return { object: 'list', data: [entry], first_id: entry.id, last_id: entry.id, has_more: false };
}
