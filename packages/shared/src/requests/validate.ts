// The one check of an image request, for jobs, the OpenAI-shaped routes and batch lines alike: body in, a request ready
// to be planned or every problem out. It never fails, reads no clock and forwards nothing it does not know.
import type { ServiceError } from '../base/errors.ts';
import type { LearnedModels } from '../models/learned.ts';
import type { Operation } from '../models/rules.ts';
import { isRecord } from './allowed.ts';
import { buildRequest } from './build-request.ts';
import { checkFields } from './check-fields.ts';
import { chooseModel, type ModelChoice, unnamedAsOfOld } from './choose-model.ts';
import { lookAtImages, splitImages } from './images-of-request.ts';
import type { InputImage, InputSet, PlacedReference } from './inputs.ts';
import { withoutNulls } from './nulls.ts';
import { sentAsOf, unsupportedOperation } from './operations.ts';
import { notAnObject } from './problems.ts';
import type { WebhookRules } from './webhook.ts';

/** What to do with a request for a retired model (contract section 4). */
export type ModelPolicy = 'translate' | 'strict' | 'passthrough';

export interface ValidateContext {
  /** Milliseconds. */
  now: number;
  modelPolicy: ModelPolicy;
  defaultModel: string;
  allowUnknownModels: boolean;
  /** What the upstream has told of its models beyond our data. */
  learned?: LearnedModels;
  /** What a `webhook` has to keep; absent: webhooks are refused. */
  webhooks?: WebhookRules;
  /** The prompt a variation is sent with when it becomes an edit. */
  variationPrompt: string;
}

export type OutputFormat = 'png' | 'jpeg' | 'webp' | 'gif' | 'svg';

/** A checked, translated request: what is asked for and what is sent. */
export interface ImageRequest {
  operation: Operation;
  /** The operation asked of the upstream: a variation becomes an edit where the model called has no variations. */
  sentAs: Operation;
  /** The model as sent by the caller; null when absent. */
  requestedModel: string | null;
  /** The model called upstream. */
  model: string;
  lane: string;
  /** The caller's body as accepted, nulls removed, images by reference; shown in `job.input`. */
  input: Record<string, unknown>;
  /**
   * The upstream body without `n`: always with `model`, never with a null. Its images are `InputRef`s: `images` (a list,
   * also for one image; empty while they are `references`), `mask`, `markup`.
   */
  body: Record<string, unknown>;
  /** Images asked for, 1..10. */
  n: number;
  /** Images one call may carry: what both the model asked for and the model called allow. */
  imagesPerCall: number;
  outputFormat: OutputFormat;
  /** Pixels the delivered image is scaled down to (256 or 512 asked of a model that cannot); null: kept as it is. */
  downscaleTo: { width: number; height: number } | null;
  /** Darkroom's own field: as asked, or what a request without a model meant in DALL·E's days. */
  responseFormat: 'url' | 'b64_json' | null;
  /** Expected price of all n images, integer micro-USD; null when it cannot be known before. */
  estimateMicroUsd: number | null;
  warnings: string[];
  /** Images still to be fetched and measured; null when there are none or they are measured. Never queue such a request. */
  references: InputSet<PlacedReference> | null;
  /** The mask is still to be made from the transparency of the first image, and to be put into `body` and `input`. */
  needsMaskFromImage: boolean;
}

/** `problems` is never empty; each has its `param`. */
export type Validation = { ok: true; request: ImageRequest } | { ok: false; problems: ServiceError[] };

/**
 * `input`: the body of OpenAI's endpoint for that operation, as parsed from JSON. Its images are checked in two passes:
 * without `inputs` the references in the body alone (the request then has `references`), with `inputs` what was measured,
 * and the body's own image fields are not looked at.
 */
export function validateRequest(
  operation: Operation,
  input: unknown,
  context: ValidateContext,
  inputs: InputSet<InputImage> | null = null,
): Validation {
  if (!isRecord(input)) return { ok: false, problems: [notAnObject(input)] };
  const given: Given = { operation, ...splitImages(operation, withoutNulls(input)), inputs };
  const choice = chooseModel(given.fields, context);
  const ofOld = unnamedAsOfOld(operation, choice, context);
  if (ofOld !== null && operation === 'variation') return checkAs(given, ofOld, context);
  const checked = checkAs(given, choice, context);
  const again = checked.ok || ofOld === null ? checked : checkAs(given, ofOld, context);
  return again.ok ? again : checked;
}

interface Given {
  readonly operation: Operation;
  readonly fields: Record<string, unknown>;
  readonly imageFields: Readonly<Record<string, unknown>>;
  readonly inputs: InputSet<InputImage> | null;
}

function checkAs(given: Given, choice: ModelChoice, context: ValidateContext): Validation {
  const { operation, fields } = given;
  const sentAs = sentAsOf(operation, choice);
  const looked = lookAtImages(operation, given, choice);
  const problems = [
    ...(choice.problem ? [choice.problem] : []),
    ...(sentAs === null ? [unsupportedOperation(operation, choice)] : []),
    ...checkFields(operation, fields, choice.rules),
    ...looked.problems,
  ];
  if (sentAs === null || problems.length > 0) return { ok: false, problems };
  return { ok: true, request: buildRequest({ operation, sentAs, fields, images: looked.images, choice }, context) };
}
