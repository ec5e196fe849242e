// Which operations a model can carry out, and as which one a request is sent. Variations have left the upstream
// (openai-images.md 0, read 2026-11-22): where a model can edit, an edit with a prompt of ours stands in for them.
import { ServiceError } from '../base/errors.ts';
import { OPERATIONS, type Operation } from '../models/rules.ts';
import type { ModelChoice } from './choose-model.ts';
import { listOf } from './problems.ts';

/** The operation asked of the upstream; null when the model called can't do it. Of an unknown model: what current ones can. */
export function sentAsOf(operation: Operation, choice: ModelChoice): Operation | null {
  if (isDoneBy(choice, operation)) return operation;
  return operation === 'variation' && isDoneBy(choice, 'edit') ? 'edit' : null;
}

export function unsupportedOperation(operation: Operation, choice: ModelChoice): ServiceError {
  const supported = OPERATIONS.filter((each) => sentAsOf(each, choice) !== null);
  const message = `The operation '${operation}' is not supported by the model '${choice.model}'. Supported operations: ${listOf(supported)}.`;
  return new ServiceError('unsupported_operation', message, { param: 'model' });
}

function isDoneBy({ called, rules }: ModelChoice, operation: Operation): boolean {
  const able = called === null ? rules : [called];
  return able.some(({ operations }) => operations[operation]);
}
