/**
 * The model data (models.json, facts as of 2026-11-22) and look-ups in it. What a model takes, costs and returns is
 * data; no other file names a model.
 */
import data from './models.json' with { type: 'json' };

export type Operation = 'generation' | 'edit' | 'variation';
export type OutputFormat = 'png' | 'jpeg' | 'webp';

interface Choice {
  values: string[];
  default?: string;
}

export interface InputImageRules {
  formats: string[];
  maxBytesEach: number;
  maxCount: number;
  squareRequired: boolean;
}

export interface Model {
  id: string;
  family: string;
  snapshots: string[];
  released?: string;
  role?: string;
  /** YYYY-MM-DD; gone from that day on (UTC). */
  shutdownDate: string | null;
  operations: { generate: boolean; edit: boolean; variation: boolean };
  n: { min: number; max: number; default: number };
  prompt: { maxLength: number };
  size: { kind: string; values?: string[]; autoAllowed: boolean; default: string };
  quality: Choice & { default: string };
  style: Choice | null;
  background: (Choice & { transparent: string; transparentNeedsFormat: string[] }) | null;
  outputFormat: Choice | null;
  outputCompression: { min: number; max: number; formats: string[] } | null;
  responseFormat: { accepted: boolean; values?: string[]; default?: string };
  moderation: Choice | null;
  inputFidelity: { accepted: boolean | string; values?: string[] } | null;
  complexity?: Choice | null;
  markup?: { accepted: boolean } | null;
  partialImages: { min: number; max: number } | null;
  inputImages: InputImageRules | null;
  mask: { maxBytes: number } | null;
  revisedPrompt: boolean;
  usage: boolean;
  prices: Prices;
  outputTokens: OutputTokens | null;
}

export interface Prices {
  unit: string;
  textInput?: number;
  imageInput?: number;
  imageOutput?: number;
  /** USD per image by quality and size. */
  perImage?: Record<string, Record<string, number>>;
  standard?: Record<string, number>;
  hd?: Record<string, number>;
}

export interface OutputTokens {
  axisFactors?: Record<string, number>;
  table: Record<string, Record<string, number>>;
}

export interface SizeRule {
  divisibleBy: number;
  minAspect: number;
  maxAspect: number;
  maxEdge: number;
  minPixels: number;
  maxPixels: number;
}

export const models: readonly Model[] = data.models;
export const flexibleSizeRule: SizeRule = data.sizeRules.flexible;
const aliases: Record<string, string> = data.aliases;

const byId = new Map(models.map((model) => [model.id, model]));

/** The model with this id or dated snapshot id, or null. */
export function findModel(id: string): Model | null {
  return byId.get(aliases[id] ?? id) ?? null;
}

/** `today` is YYYY-MM-DD, UTC. */
export function isRetired(model: Model, today: string): boolean {
  return model.shutdownDate !== null && model.shutdownDate <= today;
}

/** A DALL-E model: priced per image, may answer with links, speaks the older rate-limit dialect. */
export function isLegacy(model: Model): boolean {
  return model.responseFormat.accepted;
}

export function supports(model: Model, operation: Operation): boolean {
  if (operation === 'generation') return model.operations.generate;
  return operation === 'edit' ? model.operations.edit : model.operations.variation;
}

/** What the API took when no model was named, in the SDK's text before autumn 2026. */
export const defaultModelIds: Record<Operation, string> = {
  generation: 'dall-e-2',
  edit: 'gpt-image-1.5',
  variation: 'dall-e-2',
};
