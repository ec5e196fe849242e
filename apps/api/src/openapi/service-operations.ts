// Probes, metrics and the document itself, as they stand in the OpenAPI document.
import type { Operation } from './operation.ts';
import { errorReplies, FORBIDDEN, INTERNAL, replyOf, UNAUTHORIZED } from './replies.ts';

const tags = ['Service'];
const OPEN = { tags, security: [] };
const STATUS = { status: { type: 'string', const: 'ok' } };

export const livezOperation: Operation = {
  ...OPEN,
  operationId: 'getLiveness',
  summary: 'Whether the process lives',
  responses: {
    200: replyOf('It does.', {
      'application/json': {
        schema: { type: 'object', required: ['status'], properties: STATUS },
        example: { status: 'ok' },
      },
    }),
    ...errorReplies(FORBIDDEN),
  },
};

export const readyzOperation: Operation = {
  ...OPEN,
  operationId: 'getReadiness',
  summary: 'Whether the service can work',
  description:
    '503 only when Redis or the image storage is away. `degraded` names settings under which jobs can be lost, replicas that are missing, and image storage that a worker cannot use.',
  responses: {
    200: replyOf('It can.', {
      'application/json': {
        schema: {
          type: 'object',
          required: ['status', 'degraded'],
          properties: { ...STATUS, degraded: { type: 'array', items: { type: 'string' } } },
        },
        example: { status: 'ok', degraded: ['appendonly is off: a killed Redis loses jobs; set appendonly yes'] },
      },
    }),
    ...errorReplies(FORBIDDEN, { code: 'unavailable', message: 'Redis cannot be reached.' }),
  },
};

export const metricsOperation: Operation = {
  tags,
  security: [{ adminKey: [] }, {}],
  operationId: 'getMetrics',
  summary: 'Metrics for Prometheus',
  description: 'Needs ADMIN_KEY as bearer when one is set.',
  responses: {
    200: replyOf('Text exposition format.', {
      'text/plain': {
        schema: { type: 'string' },
        example: 'darkroom_jobs_accepted_total{operation="generation",model="dall-e-3"} 1',
      },
    }),
    ...errorReplies(UNAUTHORIZED, FORBIDDEN, INTERNAL),
  },
};

export const documentOperation: Operation = {
  ...OPEN,
  operationId: 'getOpenApiDocument',
  summary: 'This document',
  responses: {
    200: replyOf('OpenAPI 3.1.', { 'application/json': { schema: { type: 'object' } } }),
    ...errorReplies(FORBIDDEN),
  },
};

export const docsOperation: Operation = {
  ...OPEN,
  operationId: 'getReferencePage',
  summary: 'The reference page',
  responses: {
    200: replyOf('A web page.', { 'text/html': { schema: { type: 'string' } } }),
    ...errorReplies(FORBIDDEN),
  },
};

export const rootOperation: Operation = {
  ...OPEN,
  operationId: 'getRoot',
  summary: 'Redirects to the reference page',
  responses: {
    302: replyOf('To /docs.', undefined, {
      location: { description: 'Where the reference page is.', schema: { type: 'string' }, example: '/docs' },
    }),
    ...errorReplies(FORBIDDEN),
  },
};
