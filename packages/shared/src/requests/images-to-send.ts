// The images of a checked request as they stand in the upstream body and in `job.input`, and the mask that is to be made
// where the model asked for took it from the image itself.
import type { Operation } from '../models/rules.ts';
import { gifTakesMask } from './check-roles.ts';
import type { ModelChoice } from './choose-model.ts';
import type { RequestImages } from './images-of-request.ts';
import { type InputImage, type InputSet, mapInputs, toInputRef } from './inputs.ts';

/** An empty list stands for images that are not measured yet. */
export function imagesToSend({ references, inputs }: RequestImages): Record<string, unknown> {
  if (inputs === null) return references === null ? {} : { images: [] };
  return present(mapInputs(inputs, ({ facts }) => toInputRef(facts)));
}

/** Nothing while they are references: a data URL is never kept. */
export function imagesToShow({ inputs }: RequestImages): Record<string, unknown> {
  if (inputs === null) return {};
  return present(mapInputs(inputs, ({ shown, facts }) => ({ ...shown, ...toInputRef(facts) })));
}

function present(set: InputSet<object>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(set).filter(([, value]) => value !== null));
}

/**
 * Whether a mask is to be made of the first image: the model asked for took the image's transparency for one, the model
 * called does not (contract section 4).
 */
export function maskFromImage(
  operation: Operation,
  inputs: InputSet<InputImage> | null,
  outputFormat: string,
  choice: ModelChoice,
): { isNeeded: boolean; warnings: string[] } {
  const { asked, called, model } = choice;
  const none = { isNeeded: false, warnings: [] };
  const [first] = inputs?.images ?? [];
  if (operation !== 'edit' || inputs === null || first === undefined) return none;
  if (inputs.mask !== null) return { isNeeded: false, warnings: unmarkedWarning(inputs.mask) };
  const isAlphaLost = asked?.mask?.fromImageAlpha === true && called?.mask?.fromImageAlpha === false;
  if (!isAlphaLost || !first.facts.isTransparent) return none;
  const lost = `without a mask ${asked.id} edited the transparent area of the image`;
  if (inputs.markup !== null) return { isNeeded: false, warnings: [`${lost}: markup was sent to ${model} instead`] };
  if (outputFormat === 'gif' && !gifTakesMask(choice))
    return { isNeeded: false, warnings: [`${lost}: for gif ${model} takes no mask, so all of it may change`] };
  return { isNeeded: true, warnings: [`${lost}: it was made the mask for ${model}`] };
}

function unmarkedWarning({ param, facts }: InputImage): string[] {
  return facts.isTransparent ? [] : [`${param} has no fully transparent pixel: it marks nothing to be edited`];
}
