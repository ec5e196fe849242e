// What a reply's headers and message say about limits, as facts. Source: openai-images.md 4.1 and 4.2, read 2026-11-22.

export type LimitKind = 'images' | 'requests' | 'tokens';

export interface Observation {
  /** Limits per minute, as far as told. */
  readonly limits: Partial<Record<LimitKind, number>>;
  /** What is left of them, by the headers. */
  readonly remaining: Partial<Record<LimitKind, number>>;
  /** How long the upstream asks to wait, ms; null when it does not say. */
  readonly retryAfterMs: number | null;
  /** From a 429's message: the images or units asked for, and the limit they were held against. */
  readonly requested: number | null;
  readonly limit: number | null;
  /** From a 429's message: what it was that ran out; null when it does not say. */
  readonly refusedKind: LimitKind | null;
  /** From a 429's message: «(for limit X)», the limit several models share; null when none is named. */
  readonly limitName: string | null;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, seconds: 1_000, m: 60_000, h: 3_600_000 };
const DURATION_PART = /(\d+(?:\.\d+)?)\s*(ms|seconds|s|m|h)/g;
const WAIT_IN_MESSAGE =
  /(?:try again in|try again after|retry after)\s+((?:\d+(?:\.\d+)?\s*(?:ms|seconds|s|m|h)\s*)+)/i;
/** The ends of `x-ratelimit-limit-…` and `x-ratelimit-remaining-…`. */
const METERS: readonly (readonly [LimitKind, string])[] = [
  ['images', 'input-images'],
  ['images', 'images'],
  ['requests', 'requests'],
  ['tokens', 'tokens'],
];
/** Becomes part of a Redis key. */
const LIMIT_NAME = /\(for limit ([\w.-]{1,64})\)/i;

/** `headers` maps lower-case names; `message` is a 429's text, '' otherwise. */
export function observe(headers: { get(name: string): string | null }, message: string, now: number): Observation {
  const limits: Partial<Record<LimitKind, number>> = {};
  const remaining: Partial<Record<LimitKind, number>> = {};
  for (const [kind, meter] of METERS) {
    const limit = toNumber(headers.get(`x-ratelimit-limit-${meter}`));
    if (limit === null || limit === 0) continue;
    limits[kind] ??= limit;
    const left = toNumber(headers.get(`x-ratelimit-remaining-${meter}`));
    if (left !== null) remaining[kind] ??= left;
  }
  const told = limitInMessage(message);
  if (told !== null && told.limit > 0) limits[told.kind] = told.limit;
  return {
    limits,
    remaining,
    retryAfterMs: retryAfterOf(headers, now) ?? waitInMessage(message),
    requested: toNumber(/Requested:?\s+(\d+)/i.exec(message)?.[1]),
    limit: toNumber(/Limit:?\s+(\d+)/i.exec(message)?.[1]),
    refusedKind: told?.kind ?? kindInMessage(message),
    limitName: LIMIT_NAME.exec(message)?.[1] ?? null,
  };
}

/** Go durations (`6m0s`, `58.891s`, `120ms`); a bare number is seconds. null = not a duration. */
export function parseGoDurationMs(text: string): number | null {
  if (/^\d+(\.\d+)?$/.test(text.trim())) return Number(text) * 1_000;
  const parts = [...text.matchAll(DURATION_PART)];
  if (parts.length === 0) return null;
  return parts.reduce((sum, part) => sum + Number(part[1]) * (UNIT_MS[part[2] ?? ''] ?? 0), 0);
}

function retryAfterOf(headers: { get(name: string): string | null }, now: number): number | null {
  const ms = toNumber(headers.get('retry-after-ms'));
  if (ms !== null) return ms;
  const text = headers.get('retry-after');
  if (text === null) return null;
  const seconds = toNumber(text);
  if (seconds !== null) return seconds * 1_000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

function waitInMessage(message: string): number | null {
  const match = WAIT_IN_MESSAGE.exec(message);
  return match?.[1] === undefined ? null : parseGoDurationMs(match[1]);
}

/** «on input-images per min: Limit 5, …» and the older «for images per minute … Limit: 5/1min». */
function limitInMessage(message: string): { kind: LimitKind; limit: number } | null {
  const modern = /on (input-images|images|requests|tokens) per min(?:ute)?[^:]*: Limit:?\s+(\d+)/i.exec(message);
  if (modern) return { kind: toKind(modern[1] ?? ''), limit: Number(modern[2]) };
  const legacy = /(images|requests|tokens) per minute.*?Limit:\s+(\d+)\/1min/i.exec(message);
  return legacy ? { kind: toKind(legacy[1] ?? ''), limit: Number(legacy[2]) } : null;
}

/** A 429 that names what ran out, but no number. */
function kindInMessage(message: string): LimitKind | null {
  const name = /\b(images|requests|tokens) per min/i.exec(message)?.[1];
  return name === undefined ? null : toKind(name);
}

function toKind(name: string): LimitKind {
  if (name.toLowerCase().endsWith('images')) return 'images';
  return name.toLowerCase() === 'tokens' ? 'tokens' : 'requests';
}

function toNumber(text: string | undefined | null): number | null {
  return text !== undefined && text !== null && /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : null;
}
