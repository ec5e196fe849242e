// The model routes as they stand in the OpenAPI document.
import { toPublicModel } from '@darkroom/shared/models/public-model.ts';
import { MODELS } from '@darkroom/shared/models/rules.ts';
import type { Operation } from './operation.ts';
import { COMMON_ERRORS, errorReplies, jsonOf, replyOf, UNKNOWN_QUERY } from './replies.ts';

const tags = ['Models'];
const EXAMPLE_DAY = Date.UTC(2026, 10, 22);
const EXAMPLES = MODELS.map((rules) => toPublicModel(rules, EXAMPLE_DAY));
const EXAMPLE = EXAMPLES.find(({ status }) => status === 'live') ?? EXAMPLES[0];

export const listModelsOperation: Operation = {
  operationId: 'listModels',
  summary: 'List models',
  description:
    'Every model the rules know, retired ones included: operations, sizes, qualities, prices, shutdown date, replacement.',
  tags,
  responses: {
    200: replyOf('All models.', jsonOf('ModelList', { object: 'list', data: [EXAMPLE] })),
    ...errorReplies(UNKNOWN_QUERY, ...COMMON_ERRORS),
  },
};

export const getModelOperation: Operation = {
  operationId: 'getModel',
  summary: 'Get a model',
  tags,
  parameters: [
    {
      name: 'id',
      in: 'path',
      required: true,
      description: 'Id of a model or of one of its snapshots.',
      schema: { type: 'string' },
      example: EXAMPLE?.id,
    },
  ],
  responses: {
    200: replyOf('The model.', jsonOf('Model', EXAMPLE)),
    ...errorReplies(
      UNKNOWN_QUERY,
      { code: 'model_not_found', message: "The model 'gpt-image-3' does not exist", param: 'model', status: 404 },
      ...COMMON_ERRORS,
    ),
  },
};
