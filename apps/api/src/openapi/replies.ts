// Building blocks of the operations: JSON bodies, error replies, headers and examples used by several routes.
import { ERROR_CODES, type ErrorCode } from '@darkroom/shared/base/errors.ts';
import type { Header, Media, Parameter, Reply, Schema } from './operation.ts';

export function refTo(id: string): Schema {
  return { $ref: `#/components/schemas/${id}` };
}

export function jsonOf(id: string, example: unknown): Readonly<Record<string, Media>> {
  return { 'application/json': { schema: refTo(id), example } };
}

const REQUEST_ID: Header = {
  description: 'Id of this request, for support.',
  schema: { type: 'string' },
  example: 'req_01kb4xwqf7c0v3m8r5y2d9tz6n',
};

/** A reply with the headers every reply has. */
export function replyOf(description: string, content?: Reply['content'], headers: Reply['headers'] = {}): Reply {
  return {
    description,
    headers: { 'x-request-id': REQUEST_ID, ...headers },
    ...(content === undefined ? {} : { content }),
  };
}

export interface ErrorExample {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param?: string;
  /** Where the same code has another status here than usual. */
  readonly status?: number;
}

/** Error replies by status; several examples of one status become named examples. */
export function errorReplies(...errors: readonly ErrorExample[]): Readonly<Record<string, Reply>> {
  const byStatus = Map.groupBy(errors, ({ code, status }) => status ?? ERROR_CODES[code].status);
  return Object.fromEntries([...byStatus].map(([status, group]) => [String(status), errorReply(status, group)]));
}

function errorReply(status: number, errors: readonly ErrorExample[]): Reply {
  const examples = Object.fromEntries(
    errors.map((error) => [error.code, { summary: error.code, value: toBody(error) }]),
  );
  const codes = errors.map(({ code }) => `\`${code}\``).join(', ');
  return replyOf(
    `Error: ${codes}.`,
    { 'application/json': { schema: refTo('Error'), examples } },
    ERROR_HEADERS[status] ?? {},
  );
}

function toBody({ code, message, param }: ErrorExample) {
  return { error: { message, type: ERROR_CODES[code].type, param: param ?? null, code } };
}

const RETRY_AFTER: Header = {
  description: 'Seconds after which to try again.',
  schema: { type: 'integer' },
  example: 30,
};

const ERROR_HEADERS: Readonly<Record<number, Readonly<Record<string, Header>>>> = {
  401: {
    'www-authenticate': {
      description: 'Always Bearer.',
      schema: { type: 'string' },
      example: 'Bearer realm="darkroom"',
    },
  },
  409: {
    'x-should-retry': {
      description: '`false`: OpenAI’s SDKs would repeat a 409, and it would bring the same.',
      schema: { type: 'string' },
      example: 'false',
    },
  },
  429: { 'retry-after': RETRY_AFTER },
  503: { 'retry-after': RETRY_AFTER },
};

export const UNAUTHORIZED: ErrorExample = {
  code: 'invalid_api_key',
  message: 'Incorrect API key provided: dk_****…Ab3d. Ask the operator of this Darkroom for a key.',
};
export const FORBIDDEN: ErrorExample = {
  code: 'forbidden',
  message: 'With AUTH=off only this machine may call: the request comes from another web page.',
};
export const UNAVAILABLE: ErrorExample = {
  code: 'unavailable',
  message: 'Darkroom cannot reach its database at the moment. Try again soon.',
};
export const INTERNAL: ErrorExample = {
  code: 'internal_error',
  message: 'The server had an error while processing your request.',
};
export const UNKNOWN_QUERY: ErrorExample = {
  code: 'unknown_parameter',
  message: "Unknown query parameter: 'waits'. Did you mean 'wait'?",
  param: 'waits',
};
/** What every route behind an API key may answer. */
export const COMMON_ERRORS: readonly ErrorExample[] = [UNAUTHORIZED, FORBIDDEN, INTERNAL, UNAVAILABLE];

export const EXAMPLE_JOB_ID = 'job_01kb4xwqf7c0v3m8r5y2d9tz6n';

export const JOB_ID_PARAMETER: Parameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'Id of the job.',
  schema: { type: 'string' },
  example: EXAMPLE_JOB_ID,
};

export const NO_SUCH_JOB: ErrorExample = {
  code: 'not_found',
  message: `No job found with id '${EXAMPLE_JOB_ID}'.`,
  param: 'id',
};
