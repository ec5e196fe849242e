// Routes that take neither query nor fields: a misplaced one is named.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { FastifyRequest } from 'fastify';
import { readQuery } from './query.ts';

export function assertNothingAsked(request: FastifyRequest): void {
  readQuery(request, { names: [] });
  const body = request.body ?? {};
  if (typeof body !== 'object' || Array.isArray(body))
    throw new ServiceError('invalid_type', 'The body must be a JSON object or absent.');
  const problems = Object.keys(body).map((name) => {
    const shown = name.slice(0, 64);
    return new ServiceError('unknown_parameter', `Unknown parameter: '${shown}'.`, { param: shown });
  });
  if (problems.length > 0) throw ServiceError.ofProblems(problems);
}
