// Makes the ImageRequest of fields that have passed every check: what is sent, what is delivered, what it may cost,
// and what the caller should know.
import { toUsd } from '../base/units.ts';
import type { UpstreamBody } from '../models/price.ts';
import { estimateMicroUsd, hasInputImages, upperBoundMicroUsd } from '../models/price.ts';
import type { ModelRules, Operation } from '../models/rules.ts';
import { announcedShutdownOf, laneOf } from '../models/rules.ts';
import { replacementOf } from '../models/translate.ts';
import type { ModelChoice } from './choose-model.ts';
import { retirementOf } from './choose-model.ts';
import { fieldsOf, MAX_IMAGES } from './fields.ts';
import type { RequestImages } from './images-of-request.ts';
import { imagesToSend, imagesToShow, maskFromImage } from './images-to-send.ts';
import { planCalls } from './plan.ts';
import { translateFields } from './translate-fields.ts';
import type { ImageRequest, OutputFormat, ValidateContext } from './validate.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A request without problems. */
export interface CheckedRequest {
  readonly operation: Operation;
  readonly sentAs: Operation;
  /** Fields that hold no image; no nulls, only allowed values. */
  readonly fields: Record<string, unknown>;
  readonly images: RequestImages;
  readonly choice: ModelChoice;
}

type Context = Pick<ValidateContext, 'now' | 'learned' | 'variationPrompt'>;

export function buildRequest(checked: CheckedRequest, context: Context): ImageRequest {
  const { operation, sentAs, fields: given, images, choice } = checked;
  const { model, called } = choice;
  const { fields, warnings, downscaleTo } = fieldsToSend(checked, context);
  const body: Record<string, unknown> = {
    model,
    ...fields,
    ...(called?.responseFormat ? { response_format: 'b64_json' } : {}),
    ...imagesToSend(images),
  };
  const outputFormat = (body['output_format'] ?? called?.outputFormat?.default ?? 'png') as OutputFormat;
  const mask = maskFromImage(operation, images.inputs, outputFormat, choice);
  const n = (given['n'] ?? 1) as number;
  const imagesPerCall = imagesPerCallOf(choice, outputFormat);
  const estimate = sumOverCalls(estimateMicroUsd, model, body, { n, imagesPerCall });
  return {
    operation,
    sentAs,
    requestedModel: choice.requestedModel,
    model,
    lane: laneOf(model),
    input: { ...given, ...imagesToShow(images) },
    body,
    n,
    imagesPerCall,
    outputFormat,
    downscaleTo,
    responseFormat: (given['response_format'] ?? formatOfOld(choice)) as ImageRequest['responseFormat'],
    estimateMicroUsd: estimate,
    warnings: [
      ...modelWarnings(choice, context),
      ...warnings,
      ...mask.warnings,
      ...previewWarnings(called, body),
      ...(estimate === null ? [costWarning(model, body, { n, imagesPerCall })] : []),
    ],
    references: images.references,
    needsMaskFromImage: mask.isNeeded,
  };
}

function fieldsToSend({ operation, sentAs, fields: given, choice }: CheckedRequest, { variationPrompt }: Context) {
  const { asked, called, model } = choice;
  const isOtherwise = sentAs !== operation;
  const toSend = isOtherwise ? { ...given, prompt: variationPrompt } : given;
  const sent =
    asked !== null && called !== null && asked !== called
      ? translateFields(sentAs, toSend, asked, called)
      : { fields: fieldsAsGiven(sentAs, toSend), warnings: [], downscaleTo: null };
  const warning = `${model} has no ${operation}s: sent as an ${sentAs} with the prompt ${JSON.stringify(variationPrompt)}`;
  return { ...sent, warnings: [...(isOtherwise ? [warning] : []), ...sent.warnings] };
}

function fieldsAsGiven(sentAs: Operation, given: Fields): Fields {
  const sent = fieldsOf(sentAs).filter(({ name }) => given[name] !== undefined);
  return Object.fromEntries(sent.map(({ name }) => [name, given[name]]));
}

/** As many as both the model asked for and the model called allow; SVG has a limit of its own. */
function imagesPerCallOf({ asked, called }: ModelChoice, format: OutputFormat): number {
  const svg = format === 'svg' ? called?.svg?.n : undefined;
  return Math.min(asked?.n.max ?? MAX_IMAGES, called?.n.max ?? MAX_IMAGES, svg ?? MAX_IMAGES);
}

/** Code that names no model and is read as in DALL·E's days looks for links. */
function formatOfOld({ isOfOld, asked }: ModelChoice): string | null {
  return isOfOld ? (asked?.responseFormat?.default ?? null) : null;
}

type PriceOf = (model: string, body: UpstreamBody, images: number) => number | null;

function sumOverCalls(
  priceOf: PriceOf,
  model: string,
  body: UpstreamBody,
  plan: Pick<ImageRequest, 'n' | 'imagesPerCall'>,
) {
  return planCalls(plan)
    .map(({ images }) => priceOf(model, body, images.length))
    .reduce((sum, price) => (sum === null || price === null ? null : sum + price), 0);
}

function modelWarnings(
  { isOfOld, asked, called }: ModelChoice,
  context: Pick<ValidateContext, 'now' | 'learned'>,
): string[] {
  const { now, learned } = context;
  if (asked === null || called === null) return [];
  if (isOfOld) return [];
  if (asked !== called) return [`model ${asked.id} ${retirementOf(asked, context)} and was translated to ${called.id}`];
  const shutdownDate = announcedShutdownOf(called, now, learned);
  if (shutdownDate === null || now >= Date.parse(shutdownDate)) return [];
  const replacement = replacementOf(called);
  return [`${called.id} shuts down on ${shutdownDate}${replacement === null ? '' : `; use ${replacement.id}`}`];
}

/** What the upstream may still refuse, because it is not open to everyone or not confirmed. */
function previewWarnings(called: ModelRules | null, body: Fields): string[] {
  const { output_format: format, background } = body;
  const transparent = called?.background?.transparent ?? 'supported';
  return [
    ...(called?.outputFormat?.previewOnly.includes(String(format))
      ? [`output_format ${String(format)} needs OpenAI's preview access for ${called.id}`]
      : []),
    ...(background === 'transparent' && called !== null && transparent !== 'supported'
      ? [`transparent background (${transparent}) may be refused by ${called.id}`]
      : []),
  ];
}

function costWarning(model: string, body: Fields, plan: Pick<ImageRequest, 'n' | 'imagesPerCall'>): string {
  if (hasInputImages(body)) return inputCostWarning(model, body, plan);
  const most = toUsd(sumOverCalls(upperBoundMicroUsd, model, body, plan));
  if (most === null) return `the price of this request is not known for ${model}`;
  const open = ['quality', 'size'].filter((field) => (body[field] ?? 'auto') === 'auto');
  return `cost of ${open.map((field) => `${field} 'auto'`).join(' and ')} is known only afterwards; at most $${most}`;
}

function inputCostWarning(model: string, body: Fields, plan: Pick<ImageRequest, 'n' | 'imagesPerCall'>): string {
  const { images: _, mask: __, markup: ___, ...withoutImages } = body;
  const most = toUsd(sumOverCalls(upperBoundMicroUsd, model, withoutImages, plan));
  const output = most === null ? '' : `; the images made cost at most $${most}`;
  return `cost of input images is known only afterwards${output}`;
}
