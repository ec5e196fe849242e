// Makes the ImageRequest of fields that have passed every check: what is sent, what is delivered, what it may cost,
// and what the caller should know.
import { toUsd } from '../base/units.ts';
import type { UpstreamBody } from '../models/price.ts';
import { estimateMicroUsd, upperBoundMicroUsd } from '../models/price.ts';
import type { ModelRules, Operation } from '../models/rules.ts';
import { laneOf } from '../models/rules.ts';
import { replacementOf } from '../models/translate.ts';
import type { ModelChoice } from './choose-model.ts';
import { retirementOf } from './choose-model.ts';
import { fieldsOf, MAX_IMAGES } from './fields.ts';
import { planCalls } from './plan.ts';
import { translateFields } from './translate-fields.ts';
import type { ImageRequest, OutputFormat } from './validate.ts';

type Fields = Readonly<Record<string, unknown>>;

const SHUTDOWN_NOTICE_MS = 30 * 86_400_000;

/** `choice` has no problem, `given` holds no null and only allowed values. */
export function buildRequest(
  operation: Operation,
  given: Record<string, unknown>,
  choice: ModelChoice,
  now: number,
): ImageRequest {
  const { model, called } = choice;
  const { fields, warnings, downscaleTo } = fieldsToSend(operation, given, choice);
  const body: Record<string, unknown> = {
    model,
    ...fields,
    ...(called?.responseFormat ? { response_format: 'b64_json' } : {}),
  };
  const outputFormat = (body['output_format'] ?? called?.outputFormat?.default ?? 'png') as OutputFormat;
  const n = (given['n'] ?? 1) as number;
  const imagesPerCall = imagesPerCallOf(choice, outputFormat);
  const estimate = sumOverCalls(estimateMicroUsd, model, body, { n, imagesPerCall });
  return {
    operation,
    sentAs: operation,
    requestedModel: choice.requestedModel,
    model,
    lane: laneOf(model),
    input: given,
    body,
    n,
    imagesPerCall,
    outputFormat,
    downscaleTo,
    responseFormat: (given['response_format'] ?? null) as ImageRequest['responseFormat'],
    estimateMicroUsd: estimate,
    warnings: [
      ...modelWarnings(choice, now),
      ...warnings,
      ...previewWarnings(called, body),
      ...(estimate === null ? [costWarning(model, body, { n, imagesPerCall })] : []),
    ],
    references: null,
    needsMaskFromImage: false,
  };
}

function fieldsToSend(operation: Operation, given: Fields, { asked, called }: ModelChoice) {
  if (asked !== null && called !== null && asked !== called) return translateFields(operation, given, asked, called);
  const sent = fieldsOf(operation).filter(({ name }) => given[name] !== undefined);
  return { fields: Object.fromEntries(sent.map(({ name }) => [name, given[name]])), warnings: [], downscaleTo: null };
}

/** As many as both the model asked for and the model called allow; SVG has a limit of its own. */
function imagesPerCallOf({ asked, called }: ModelChoice, format: OutputFormat): number {
  const svg = format === 'svg' ? called?.svg?.n : undefined;
  return Math.min(asked?.n.max ?? MAX_IMAGES, called?.n.max ?? MAX_IMAGES, svg ?? MAX_IMAGES);
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

function modelWarnings({ asked, called }: ModelChoice, now: number): string[] {
  if (asked === null || called === null) return [];
  if (asked !== called) return [`model ${asked.id} ${retirementOf(asked, now)} and was translated to ${called.id}`];
  const { id, shutdownDate } = called;
  const left = shutdownDate === null ? null : Date.parse(shutdownDate) - now;
  if (left === null || left <= 0 || left > SHUTDOWN_NOTICE_MS) return [];
  const replacement = replacementOf(called);
  return [`${id} shuts down on ${shutdownDate}${replacement === null ? '' : `; use ${replacement.id}`}`];
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
  const most = toUsd(sumOverCalls(upperBoundMicroUsd, model, body, plan));
  if (most === null) return `the price of this request is not known for ${model}`;
  const open = ['quality', 'size'].filter((field) => (body[field] ?? 'auto') === 'auto');
  return `cost of ${open.map((field) => `${field} 'auto'`).join(' and ')} is known only afterwards; at most $${most}`;
}
