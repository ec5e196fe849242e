// The one check of an image request, for jobs, the OpenAI-shaped routes and batch lines alike: body in, a request ready
// to be planned or every problem out. It never fails, reads no clock and forwards nothing it does not know.
import { ServiceError } from '../base/errors.ts';
import type { Operation } from '../models/rules.ts';
import { isRecord } from './allowed.ts';
import { buildRequest } from './build-request.ts';
import { checkFields } from './check-fields.ts';
import { chooseModel } from './choose-model.ts';
import type { InputImage, InputSet, PlacedReference } from './inputs.ts';
import { withoutNulls } from './nulls.ts';
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
  /** Ids the upstream has answered "does not exist" for. */
  retired?: ReadonlySet<string>;
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
  /** The caller's body as accepted, nulls removed; shown in `job.input`. */
  input: Record<string, unknown>;
  /**
   * The upstream body without `n`: always with `model`, never with a null. Its images are `InputRef`s: `images` (a list,
   * also for one image), `mask`, `markup`.
   */
  body: Record<string, unknown>;
  /** Images asked for, 1..10. */
  n: number;
  /** Images one call may carry: what both the model asked for and the model called allow. */
  imagesPerCall: number;
  outputFormat: OutputFormat;
  /** Pixels the delivered image is scaled down to (256 or 512 asked of a model that cannot); null: kept as it is. */
  downscaleTo: { width: number; height: number } | null;
  /** Darkroom's own field, as asked. */
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

/** Operations the service can carry out. */
const AVAILABLE: ReadonlySet<Operation> = new Set<Operation>(['generation']);

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
  if (!AVAILABLE.has(operation)) return { ok: false, problems: [unavailable(operation)] };
  if (!isRecord(input)) return { ok: false, problems: [notAnObject(input)] };
  const given = withoutNulls(input);
  const choice = chooseModel(given, context);
  const problems = [...(choice.problem ? [choice.problem] : []), ...checkFields(operation, given, choice.rules)];
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, request: buildRequest(operation, given, choice, context.now) };
}

function unavailable(operation: Operation): ServiceError {
  const message = `The operation '${operation}' is not available yet. Supported operations: 'generation'.`;
  return new ServiceError('unsupported_operation', message, { param: 'operation' });
}
