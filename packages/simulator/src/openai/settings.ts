/** Settings that can change at run time, and the check of a change sent over HTTP. */
import { isObject } from '../http/body.ts';
import type { Limits, ModelLimits } from './rate-limiter.ts';

export interface Settings {
  reality: 'today' | 'everything';
  /** YYYY-MM-DD; null = the current day, UTC. */
  today: string | null;
  latencyScale: number;
  linkTtlMs: number;
  rendering: 'full' | 'fast';
  limits: Limits;
  /** What a full bucket holds, in seconds of its limit: 60 fits all headers seen; OpenAI's guide speaks of 1 as possible. */
  limitBurstSeconds: number;
  /**
   * headers: every reply tells limits · message: only a 429 does, in its text and retry-after · wait: a 429 says no more
   * than how long to wait, in its text.
   */
  limitTelling: LimitTelling;
  /** By model id: what GET /v1/models says instead of the model's own day; what can be called does not change. */
  shutdownDates: Record<string, string | null>;
}

const LIMIT_TELLING = ['headers', 'message', 'wait'] as const;
export type LimitTelling = (typeof LIMIT_TELLING)[number];

export class SettingsProblem extends Error {}

const LIMIT_FIELDS: readonly (keyof ModelLimits)[] = ['images_per_minute', 'requests_per_minute', 'tokens_per_minute'];

type Reader<Value> = (value: unknown) => Value;

const READERS: { [Key in keyof Settings]: Reader<Settings[Key]> } = {
  reality: (value) => oneOf('reality', value, ['today', 'everything']),
  today: (value) => (value === null ? null : dateOf('today', value)),
  latencyScale: (value) => numberFrom0('latencyScale', value),
  linkTtlMs: (value) => numberFrom0('linkTtlMs', value),
  rendering: (value) => oneOf('rendering', value, ['full', 'fast']),
  limits: limitsOf,
  limitBurstSeconds: (value) => numberFrom0('limitBurstSeconds', value),
  limitTelling: (value) => oneOf('limitTelling', value, LIMIT_TELLING),
  shutdownDates: shutdownDatesOf,
};

/** The settings after a change; throws SettingsProblem naming the field and what it may be. */
export function changeSettings(settings: Settings, change: Record<string, unknown>): Settings {
  const changed: Record<string, unknown> = { ...settings };
  for (const [key, value] of Object.entries(change)) {
    if (!Object.hasOwn(READERS, key)) {
      throw new SettingsProblem(`unknown setting '${key}'; settings: ${Object.keys(READERS).join(', ')}`);
    }
    changed[key] = READERS[key as keyof Settings](value);
  }
  return changed as unknown as Settings;
}

export function dayOf(settings: Settings): string {
  return settings.today ?? new Date().toISOString().slice(0, 10);
}

function oneOf<Value extends string>(key: string, value: unknown, values: readonly Value[]): Value {
  const found = values.find((known) => known === value);
  if (found === undefined) throw new SettingsProblem(`${key} must be ${values.join(' or ')}`);
  return found;
}

function dateOf(key: string, value: unknown): string {
  if (typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value)) return value;
  throw new SettingsProblem(`${key} must be YYYY-MM-DD or null`);
}

function shutdownDatesOf(value: unknown): Record<string, string | null> {
  if (!isObject(value)) throw new SettingsProblem('shutdownDates must be an object by model id');
  const dates = Object.entries(value).map(([id, date]) => [
    id,
    date === null ? null : dateOf(`shutdownDates.${id}`, date),
  ]);
  return Object.fromEntries(dates) as Record<string, string | null>;
}

function numberFrom0(key: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw new SettingsProblem(`${key} must be a number >= 0`);
}

function limitsOf(value: unknown): Limits {
  if (!isObject(value)) throw new SettingsProblem('limits must be an object by model id or family');
  for (const [name, limits] of Object.entries(value)) {
    if (!isObject(limits)) throw new SettingsProblem(`limits.${name} must be an object`);
    for (const [field, perMinute] of Object.entries(limits)) {
      if (!LIMIT_FIELDS.some((known) => known === field)) {
        throw new SettingsProblem(`unknown limits.${name}.${field}; fields: ${LIMIT_FIELDS.join(', ')}`);
      }
      numberFrom0(`limits.${name}.${field}`, perMinute);
    }
  }
  return value as Limits;
}
