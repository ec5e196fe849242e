// Decides which model a request is checked against and which one is called: MODEL_POLICY for retired models, the
// default model, unknown models.
import { ServiceError } from '../base/errors.ts';
import type { ModelRules, Operation } from '../models/rules.ts';
import { findModel, isRetired, MIGRATION, MODEL_NAMES, MODELS, nearestNames, shutdownDateOf } from '../models/rules.ts';
import { livingReplacementOf } from '../models/translate.ts';
import { listOf, quote } from './problems.ts';
import type { ValidateContext } from './validate.ts';

export interface ModelChoice {
  /** As sent by the caller; null when absent. */
  requestedModel: string | null;
  /** Called upstream; a dated snapshot stays itself. */
  model: string;
  /** Rules of the model asked for and of the model called; the same unless translated, null when unknown. */
  asked: ModelRules | null;
  called: ModelRules | null;
  /** A value is fine when one of these takes it; the model called is last. */
  rules: readonly ModelRules[];
  /** No model was named, and the request is read as in DALL·E's days. */
  isOfOld: boolean;
  problem: ServiceError | null;
}

/** Never fails: with a problem the rules are still the best known ones, so that the other fields can be checked. */
export function chooseModel(given: Readonly<Record<string, unknown>>, context: ValidateContext): ModelChoice {
  const sent = given['model'];
  const requestedModel = typeof sent === 'string' ? sent : null;
  const model = requestedModel ?? context.defaultModel;
  const asked = findModel(model);
  const choice: ModelChoice = { requestedModel, model, asked, called: asked, rules: [], isOfOld: false, problem: null };
  if (asked === null) return { ...choice, ...unknownModel(model, context) };
  if (!isRetired(asked, context.now, context.learned) || context.modelPolicy === 'passthrough') {
    return { ...choice, rules: [asked] };
  }
  return { ...choice, ...retiredModel(asked, given['quality'], context) };
}

/**
 * A request that names no model, read as in DALL·E's days: that default's values are fine too, and are translated. A provider
 * that still serves what is passed through gets a variation as that model's, which alone has them. Null when a model is named
 * or the default model is of no use itself, and for everything else that is not translated.
 */
export function unnamedAsOfOld(
  operation: Operation,
  choice: ModelChoice,
  { modelPolicy }: ValidateContext,
): ModelChoice | null {
  const { requestedModel, called, problem } = choice;
  const asked = findModel(MIGRATION.unnamed);
  if (requestedModel !== null || problem !== null || asked === null || called === null) return null;
  if (modelPolicy === 'translate') return { ...choice, asked, rules: [asked, called], isOfOld: true };
  if (modelPolicy !== 'passthrough' || operation !== 'variation') return null;
  return { ...choice, model: asked.id, asked, called: asked, rules: [asked], isOfOld: true };
}

/** Refused or not: any model may have been meant, so only what no model takes is a problem of the other fields. */
function unknownModel(model: string, context: ValidateContext): Pick<ModelChoice, 'rules' | 'problem'> {
  const current = MODELS.filter((candidate) => !isRetired(candidate, context.now, context.learned));
  if (context.allowUnknownModels) return { rules: current, problem: null };
  const near = nearestNames(model, MODEL_NAMES);
  const hint =
    near.length > 0 ? `Did you mean ${listOf(near, 'or')}?` : `Known models: ${listOf(current.map(({ id }) => id))}.`;
  const message = `The model ${quote(model)} does not exist. ${hint}`;
  return { rules: MODELS, problem: new ServiceError('model_not_found', message, { param: 'model' }) };
}

function retiredModel(asked: ModelRules, quality: unknown, context: ValidateContext): Partial<ModelChoice> {
  const target = livingReplacementOf(asked, quality, context.now, context.learned);
  if (target !== null && context.modelPolicy === 'translate') {
    return { model: target.id, called: target, rules: [asked, target] };
  }
  const advice = target === null ? 'There is no replacement.' : `Use '${target.id}' instead.`;
  const message = `The model '${asked.id}' ${retirementOf(asked, context)}. ${advice}`;
  return { rules: [asked], problem: new ServiceError('model_retired', message, { param: 'model' }) };
}

/** "was retired on <day>", or "is retired" when the upstream dropped it before its announced day. */
export function retirementOf(rules: ModelRules, { now, learned }: Pick<ValidateContext, 'now' | 'learned'>): string {
  const shutdownDate = shutdownDateOf(rules, learned);
  const past = shutdownDate !== null && now >= Date.parse(shutdownDate);
  return past ? `was retired on ${shutdownDate}` : 'is retired';
}
