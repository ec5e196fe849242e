// Which images a request may have besides those to be edited: a mask or a markup, where the model called takes it, and
// what does not go together. Unlike a field, an image that can't be sent is never dropped: it would be another picture.
import { ServiceError } from '../base/errors.ts';
import type { Operation } from '../models/rules.ts';
import type { ModelChoice } from './choose-model.ts';
import { listOf, misplacedParameter } from './problems.ts';

type Role = 'mask' | 'markup';

/** `given`: the roles the request has images in, by the names its caller knows. */
export function checkRoles(
  operation: Operation,
  given: Readonly<Record<Role, boolean>>,
  outputFormat: unknown,
  choice: ModelChoice,
): ServiceError[] {
  const roles = (['mask', 'markup'] as const).filter((role) => given[role]);
  if (operation !== 'edit') return roles.map((role) => misplacedParameter(role, belongsToEdits(operation)));
  return [
    ...roles.filter((role) => !isTaken(role, choice)).map((role) => misplacedParameter(role, unsupportedBy(choice))),
    ...(given.mask && given.markup ? [notTogether('markup', "together with 'mask'")] : []),
    ...(given.mask && outputFormat === 'gif' && !gifTakesMask(choice)
      ? [notTogether('mask', "with output_format 'gif'")]
      : []),
  ];
}

/** Whether GIF output goes with a mask. */
export function gifTakesMask({ called, rules }: ModelChoice): boolean {
  const candidates = called === null ? rules : [called];
  return candidates.every(({ gif }) => gif?.notWith.includes('mask') !== true);
}

function isTaken(role: Role, { called, rules }: ModelChoice): boolean {
  return called === null ? rules.some((each) => each[role] !== null) : called[role] !== null;
}

function belongsToEdits(operation: Operation): string {
  return `It belongs to the operation 'edit', not to '${operation}'.`;
}

function unsupportedBy({ model }: ModelChoice): string {
  return `It is not supported by ${listOf([model])}.`;
}

function notTogether(param: Role, what: string): ServiceError {
  return new ServiceError('invalid_value', `Invalid '${param}': it is not supported ${what}.`, { param });
}
