/** Validates the scalar parameters of an image request against its model; images and masks are checked elsewhere. */
import { ApiError, badRequest, modelDoesNotExist, quotedList, userError } from './api-error.ts';
import {
  booleanField,
  choiceField,
  type Fields,
  integerField,
  requiredText,
  requireLength,
  stringField,
} from './fields.ts';
import type { ImageRequest } from './image-request.ts';
import {
  defaultModelIds,
  findModel,
  isLegacy,
  isRetired,
  type Model,
  models,
  type Operation,
  type OutputFormat,
  supports,
} from './models.ts';
import { validateSize } from './validate-size.ts';

/** `reality` and the day decide which models exist. */
export interface Era {
  reality: 'today' | 'everything';
  /** YYYY-MM-DD */
  today: string;
}

/** JSON and multipart bodies take slightly different fields. */
export type BodyKind = 'json' | 'multipart';

const MAX_SAFETY_IDENTIFIER = 128;
const IMAGE_FIELDS: Record<BodyKind, string[]> = { json: ['images', 'mask'], multipart: ['image', 'mask'] };

/** The model a body names, if it exists in this era and does this operation; throws the API's refusal. */
export function requireModel(fields: Fields, operation: Operation, era: Era): { model: Model; requested: string } {
  const requested = stringField(fields, 'model') ?? defaultModelIds[operation];
  const model = findModel(requested);
  if (model === null || (era.reality === 'today' && isRetired(model, era.today))) throw modelDoesNotExist(requested);
  if (!supports(model, operation)) throw cannot(requested, operation);
  return { model, requested };
}

function cannot(requested: string, operation: Operation): ApiError {
  const able = models.filter((model) => supports(model, operation)).map((model) => model.id);
  const list = able.length === 1 ? `Value must be ${quotedList(able)}.` : `Supported values are: ${quotedList(able)}.`;
  return badRequest(`Invalid value: '${requested}'. ${list}`, 'invalid_value', 'model');
}

/** Everything but the images. Throws the first refusal, in the order: unknown fields, prompt, the rest. */
export function validateParameters(
  fields: Fields,
  target: { model: Model; requested: string },
  operation: Operation,
  bodyKind: BodyKind,
): Omit<ImageRequest, 'inputs' | 'mask'> {
  const { model, requested } = target;
  refuseUnknownFields(fields, model, requested, operation, bodyKind);
  const prompt = operation === 'variation' ? '' : requiredText(fields, 'prompt', model.prompt.maxLength);
  const outputFormat = readOutputFormat(fields, model);
  refuseStreaming(fields, model);
  checkFieldsWithoutEffect(fields, model);
  return {
    operation,
    model,
    requestedModel: requested,
    prompt,
    n: readCount(fields, model),
    size: validateSize(model, stringField(fields, 'size')),
    quality: choiceField(fields, 'quality', model.quality.values) ?? model.quality.default,
    background: readBackground(fields, model, outputFormat),
    outputFormat,
    outputCompression: readCompression(fields, model, outputFormat),
    responseFormat: readResponseFormat(fields, model),
    safetyIdentifier: readSafetyIdentifier(fields),
  };
}

function refuseUnknownFields(fields: Fields, model: Model, requested: string, operation: Operation, kind: BodyKind) {
  const known = knownFields(model, operation, kind);
  for (const name of Object.keys(fields)) {
    if (known.has(name)) continue;
    if (name === 'input_fidelity' && operation === 'edit' && !isLegacy(model)) {
      const message = `The model '${requested}' does not support the 'input_fidelity' parameter.`;
      throw userError(message, 'invalid_input_fidelity_model', name);
    }
    throw badRequest(`Unknown parameter: '${name}'.`, 'unknown_parameter', name);
  }
}

/** The fields a model takes for an operation in a kind of body. */
function knownFields(model: Model, operation: Operation, kind: BodyKind): Set<string> {
  const known = new Set(['model', 'n', 'size', 'user']);
  if (operation === 'variation') return known.add('image').add('response_format');
  known.add('prompt').add('quality');
  if (operation === 'edit') for (const name of IMAGE_FIELDS[kind]) known.add(name);
  if (isLegacy(model)) known.add('response_format');
  if (model.style !== null && operation === 'generation') known.add('style');
  if (model.background !== null) known.add('background');
  if (model.outputFormat !== null) known.add('output_format').add('safety_identifier');
  if (model.outputCompression !== null) known.add('output_compression');
  if (model.partialImages !== null) known.add('stream').add('partial_images');
  if (model.moderation !== null && (operation === 'generation' || kind === 'json')) known.add('moderation');
  if (model.complexity) known.add('complexity');
  if (operation !== 'edit') return known;
  if (model.inputFidelity !== null && model.inputFidelity.accepted !== false) known.add('input_fidelity');
  if (model.markup?.accepted) known.add('markup');
  return known;
}

function readCount(fields: Fields, model: Model): number {
  const { min, max } = model.n;
  if (max === 1 && typeof fields.n === 'number' && fields.n !== 1) {
    throw badRequest('You must provide n=1 for this model.', 'invalid_value', 'n');
  }
  return integerField(fields, 'n', min, max) ?? model.n.default;
}

/** gif and svg are previews: a project without access is told the plain list. */
function readOutputFormat(fields: Fields, model: Model): OutputFormat {
  if (model.outputFormat === null) return 'png';
  const chosen = choiceField(fields, 'output_format', model.outputFormat.values);
  return (chosen ?? model.outputFormat.default ?? 'png') as OutputFormat;
}

/** A transparent background still in preview is refused as for a project without it (reported 2026-05). */
function readBackground(fields: Fields, model: Model, format: OutputFormat): string | null {
  const rules = model.background;
  if (rules === null) return null;
  const background = choiceField(fields, 'background', rules.values) ?? rules.default ?? 'auto';
  if (background !== 'transparent') return background;
  if (rules.transparent === 'preview') {
    throw userError('Transparent background is not supported for this model.', 'invalid_value', 'background');
  }
  if (!rules.transparentNeedsFormat.includes(format)) {
    const message = `Transparent background is not supported for output format '${format}'.`;
    throw userError(message, 'invalid_value', 'background');
  }
  return background;
}

function readCompression(fields: Fields, model: Model, format: OutputFormat): number {
  const rules = model.outputCompression;
  if (rules === null) return 100;
  const value = integerField(fields, 'output_compression', rules.min, rules.max);
  if (value === null) return rules.max;
  if (value < rules.max && !rules.formats.includes(format)) {
    const message = `Compression less than 100 is not supported for ${format.toUpperCase()} output format.`;
    throw userError(message, 'invalid_value', 'output_compression');
  }
  return value;
}

function readResponseFormat(fields: Fields, model: Model): 'url' | 'b64_json' {
  if (!model.responseFormat.accepted) return 'b64_json';
  const chosen = choiceField(fields, 'response_format', model.responseFormat.values ?? []);
  return (chosen ?? model.responseFormat.default) === 'url' ? 'url' : 'b64_json';
}

function readSafetyIdentifier(fields: Fields): string | null {
  const identifier = stringField(fields, 'safety_identifier');
  if (identifier !== null) requireLength('safety_identifier', identifier, MAX_SAFETY_IDENTIFIER);
  return identifier;
}

/** The simulator answers whole images only; it says so rather than send something else. */
function refuseStreaming(fields: Fields, model: Model): void {
  if (booleanField(fields, 'stream') === true) {
    throw badRequest('Streaming is not supported by this simulator.', 'unsupported_value', 'stream');
  }
  if (model.partialImages) integerField(fields, 'partial_images', model.partialImages.min, model.partialImages.max);
}

/** Parameters that must be valid but change nothing in the picture. */
function checkFieldsWithoutEffect(fields: Fields, model: Model): void {
  if (model.style !== null) choiceField(fields, 'style', model.style.values);
  if (model.moderation !== null) choiceField(fields, 'moderation', model.moderation.values);
  if (model.complexity) choiceField(fields, 'complexity', model.complexity.values);
  choiceField(fields, 'input_fidelity', model.inputFidelity?.values ?? ['low', 'high']);
  stringField(fields, 'user');
}
