// The lane routes as they stand in the OpenAPI document.
import type { Operation } from './operation.ts';
import { errorReplies, INTERNAL, jsonOf, replyOf, UNAUTHORIZED, UNAVAILABLE, UNKNOWN_QUERY } from './replies.ts';

const tags = ['Service'];
const security = [{ adminKey: [] }, {}];
const EXAMPLE_ID = 'gpt-image-2.6-flare';
const STOPPED_UNTIL = 1_795_340_395;

const limit = (name: string) => ({
  name,
  images_per_minute: null,
  requests_per_minute: null,
  tokens_per_minute: null,
  concurrency: null,
  stopped_until: null,
});

const EXAMPLE = {
  id: EXAMPLE_ID,
  object: 'lane',
  family: 'gpt-image-2.6',
  waiting: 128,
  delayed: 1,
  active: 20,
  open_calls: 149,
  open_calls_by_account: { shop: 140, studio: 9 },
  started_per_minute: { calls: 231.4, images: 246.8 },
  expected_wait_seconds: 31,
  resting_until: null,
  upstream_keys: [
    {
      name: 'default',
      host: 'api.openai.com',
      paused: null,
      limits: [
        {
          ...limit(EXAMPLE_ID),
          images_per_minute: { limit: 250, source: 'told', available: 3 },
          requests_per_minute: { limit: 500, source: 'learned', available: 38 },
          concurrency: { limit: 40, in_use: 20, lowered_to: null },
        },
        limit('gpt-image-2.6'),
      ],
    },
    {
      name: 'spare',
      host: 'api.openai.com',
      paused: {
        since: STOPPED_UNTIL - 95,
        next_probe_at: STOPPED_UNTIL - 5,
        probing: false,
        error: {
          status: 429,
          type: 'insufficient_quota',
          code: 'insufficient_quota',
          message: 'You exceeded your current quota, please check your plan and billing details.',
        },
      },
      limits: [{ ...limit(EXAMPLE_ID), stopped_until: STOPPED_UNTIL }, limit('gpt-image-2.6')],
    },
  ],
};

const ACCESS =
  'For the operator: needs ADMIN_KEY as bearer; an API key of an account gets 403. Under AUTH=off without ADMIN_KEY ' +
  'everyone on this machine may ask; under AUTH=keys without ADMIN_KEY there is no such route (404).';

const NO_ADMIN_KEY = {
  code: 'not_found',
  message: 'Unknown request URL: GET /v1/lanes. Please check the URL for typos, or see the API reference at /docs.',
} as const;

const ERRORS = [
  UNAUTHORIZED,
  {
    code: 'forbidden',
    message:
      'You have insufficient permissions for this operation: it takes the ADMIN_KEY of this Darkroom, not the API key of an account.',
  },
  INTERNAL,
  UNAVAILABLE,
] as const;

export const listLanesOperation: Operation = {
  operationId: 'listLanes',
  summary: 'List lanes',
  description:
    'The queue of each model (`other`: of all unknown ones): what waits, what starts a minute, and for each upstream key ' +
    `why it is paused and what its limits allow. All lanes are listed, used or not. ${ACCESS}`,
  tags,
  security,
  responses: {
    200: replyOf(
      'All lanes.',
      jsonOf('LaneList', {
        object: 'list',
        data: [EXAMPLE],
        first_id: EXAMPLE_ID,
        last_id: EXAMPLE_ID,
        has_more: false,
      }),
    ),
    ...errorReplies(UNKNOWN_QUERY, NO_ADMIN_KEY, ...ERRORS),
  },
};

export const resumeLaneOperation: Operation = {
  operationId: 'resumeLane',
  summary: 'Resume a lane',
  description:
    'Ends at once, on all workers, what keeps the lane from going on: stops after a 429 and a concurrency lowered by ' +
    '`slow_down` in its limits, and pauses of the upstream keys (which other lanes share). What has been learned of the ' +
    `limits stays. Repeating it changes nothing; what still holds will stop the lane again. ${ACCESS}`,
  tags,
  security,
  parameters: [
    {
      name: 'id',
      in: 'path',
      required: true,
      description: 'Id of the lane.',
      schema: { type: 'string' },
      example: EXAMPLE_ID,
    },
  ],
  responses: {
    200: replyOf('The lane as it is now.', jsonOf('Lane', EXAMPLE)),
    ...errorReplies(
      UNKNOWN_QUERY,
      {
        code: 'not_found',
        message: "No lane found with id 'gpt-image-2.6-flair'. Did you mean 'gpt-image-2.6-flare'?",
        param: 'id',
      },
      ...ERRORS,
    ),
  },
};
