// The webhook delivery routes as they stand in the OpenAPI document.
import { DELIVERY_STATES } from '@darkroom/shared/webhooks/delivery.ts';
import { WEBHOOK_EVENTS } from '../http/delivery-query.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from '../http/job-query.ts';
import type { Operation, Parameter } from './operation.ts';
import { COMMON_ERRORS, EXAMPLE_JOB_ID, errorReplies, jsonOf, replyOf, UNKNOWN_QUERY } from './replies.ts';

const tags = ['Webhooks'];
const EXAMPLE_ID = `${EXAMPLE_JOB_ID.replace('job_', 'evt_')}_4`;
const CREATED_AT = 1_795_340_377;

const FAILED_ONCE = {
  id: EXAMPLE_ID,
  object: 'webhook_delivery',
  type: 'job.completed',
  job_id: EXAMPLE_JOB_ID,
  batch_id: null,
  url: 'https://example.com/hooks',
  host: 'example.com',
  state: 'delivered',
  created_at: CREATED_AT,
  next_attempt_at: null,
  attempt_count: 2,
  attempts: [
    { at: CREATED_AT, status: null, error: 'timeout', duration_ms: 15_003 },
    { at: CREATED_AT + 20, status: 204, error: null, duration_ms: 41 },
  ],
};

const parameter = (name: string, description: string, schema: Parameter['schema'], example: unknown): Parameter => ({
  name,
  in: 'query',
  description,
  schema: { ...schema, examples: [example] },
});

const text = { type: 'string' };

export const listDeliveriesOperation: Operation = {
  operationId: 'listWebhookDeliveries',
  summary: 'List webhook deliveries',
  description:
    'What was sent to whom, with every try, for as long as jobs are kept (4 to 30 days). Newest first unless `order=asc`. A page may be short: go on ' +
    'with `after=last_id` while `has_more` is true.',
  tags,
  parameters: [
    parameter(
      'limit',
      'Deliveries on a page.',
      { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT },
      20,
    ),
    parameter('after', 'The delivery after which the page begins.', text, EXAMPLE_ID),
    parameter('order', 'By time of creation.', { ...text, enum: ['asc', 'desc'], default: 'desc' }, 'desc'),
    parameter('state', 'Only deliveries in this state.', { ...text, enum: DELIVERY_STATES }, 'failed'),
    parameter('type', 'Only events of this type.', { ...text, enum: WEBHOOK_EVENTS }, 'job.completed'),
    parameter('job_id', 'Only events of this job.', text, EXAMPLE_JOB_ID),
    parameter('host', 'Only deliveries to this host, `host:port` when the URL names a port.', text, 'example.com'),
  ],
  responses: {
    200: replyOf(
      'A page of deliveries.',
      jsonOf('WebhookDeliveryList', {
        object: 'list',
        data: [FAILED_ONCE],
        first_id: EXAMPLE_ID,
        last_id: EXAMPLE_ID,
        has_more: false,
      }),
    ),
    ...errorReplies(
      {
        code: 'invalid_value',
        message: `Invalid value for 'state': it must be one of ${DELIVERY_STATES.join(', ')}.`,
        param: 'state',
      },
      ...COMMON_ERRORS,
    ),
  },
};

export const redeliverOperation: Operation = {
  operationId: 'redeliverWebhook',
  summary: 'Send a webhook again',
  description:
    'The same body under the same `webhook-id`, signed afresh; its schedule starts anew, at once, whatever became of it. ' +
    'A try that is under way is finished first.',
  tags,
  parameters: [
    {
      name: 'id',
      in: 'path',
      required: true,
      description: 'Id of the delivery, which is that of its event.',
      schema: text,
      example: EXAMPLE_ID,
    },
  ],
  responses: {
    202: replyOf(
      'It will be sent.',
      jsonOf('WebhookDelivery', { ...FAILED_ONCE, state: 'pending', next_attempt_at: CREATED_AT + 60 }),
    ),
    ...errorReplies(
      UNKNOWN_QUERY,
      { code: 'not_found', message: `No webhook delivery found with id '${EXAMPLE_ID}'.`, param: 'id' },
      ...COMMON_ERRORS,
    ),
  },
};
